"""Named points at which a fault test has this process die or wait; nothing happens unless LAUREL_FAILPOINT says so.

`LAUREL_FAILPOINT=before_place:kill` kills the process with SIGKILL when it reaches `before_place`; `hang` instead of
`kill` has it stay there until somebody else kills it. Worker and API arm them in development only.
"""

import asyncio
import os
import signal
from enum import StrEnum
from typing import Literal, get_args

# The steps of an order between which a crash must not be seen from outside.
OrderPoint = Literal["before_place", "after_vendor_took_it", "before_answer_stored", "before_settle"]
# In the API: what a request did is committed, and its caller has not heard of it.
AnswerPoint = Literal["before_acknowledge"]
Point = Literal[OrderPoint, AnswerPoint]


class Action(StrEnum):
    """What happens at an armed point."""

    KILL = "kill"
    HANG = "hang"


_armed: dict[str, Action] = {}


def arm(text: str) -> None:
    """Arm the failpoints of "name:action,name:action"; raises ValueError for a name or an action that is not known."""
    for part in filter(None, text.split(",")):
        point, _, action = part.partition(":")
        if point not in get_args(Point):
            raise ValueError(f"failpoint {point!r} is not one of {', '.join(get_args(Point))}")
        _armed[point] = Action(action)


async def reached(point: Point) -> None:
    """Returns at once unless the point is armed."""
    action = _armed.get(point)
    if action is Action.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif action is Action.HANG:
        await asyncio.Event().wait()
