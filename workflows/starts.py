"""How each workflow is named and started; the relay and Reconcile start the same thing in the same way.

The argument of every workflow is a `Subject`: the row that it is about. Everything else it reads.
"""

from dataclasses import dataclass

WAKE = "wake"


@dataclass(frozen=True, slots=True)
class Subject:
    """The row that a workflow is about."""

    program_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Start:
    """A workflow to be running: its type's name, its id, its one argument."""

    workflow: str
    workflow_id: str
    subject: Subject


def order(program_id: str, order_id: str) -> Start:
    """The workflow that sees an order through."""
    return Start("OrderWorkflow", f"order/{order_id}", Subject(program_id, order_id))


def reward(program_id: str, reward_id: str) -> Start:
    """The workflow that turns an unlocked reward into an order, or ends it."""
    return Start("RewardWorkflow", f"reward/{reward_id}", Subject(program_id, reward_id))
