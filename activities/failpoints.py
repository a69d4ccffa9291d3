"""Named points at which a fault test has this process die or wait; nothing happens unless LAUREL_FAILPOINT says so.

`LAUREL_FAILPOINT=before_place:kill` kills the process with SIGKILL when it passes `before_place`; `after_place:hang`
stays there until somebody else kills it. Only a worker in development arms them.
"""

import asyncio
import os
import signal
from enum import StrEnum


class Failpoint(StrEnum):
    """The steps of an order between which a crash must not be seen from outside."""

    BEFORE_PLACE = "before_place"
    AFTER_PLACE = "after_place"
    BEFORE_STORE = "before_store"
    BEFORE_SETTLE = "before_settle"


class Action(StrEnum):
    KILL = "kill"
    HANG = "hang"


_armed: dict[Failpoint, Action] = {}


def arm(text: str) -> None:
    """Arm the failpoints of "name:action,name:action"; raises ValueError for a name or an action that is not known."""
    for part in filter(None, text.split(",")):
        name, _, action = part.partition(":")
        _armed[Failpoint(name)] = Action(action)


async def passing(point: Failpoint) -> None:
    """Say that this point is passed; returns at once unless it is armed."""
    action = _armed.get(point)
    if action is Action.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif action is Action.HANG:
        await asyncio.Event().wait()
