"""Runs of a workflow: one ends and the next begins before its history is slow to replay."""

from temporalio import workflow

# A new run begins beyond this many events.
MAX_HISTORY_EVENTS = 400


def is_long() -> bool:
    """Whether the present run's history has become so long that a new run is to go on."""
    return workflow.info().get_current_history_length() > MAX_HISTORY_EVENTS
