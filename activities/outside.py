"""What went wrong outside, as Temporal retries it: later, at the moment that they asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError

from connectors.errors import OutsideError, Unavailable


@contextmanager
def retried(*let_through: type[OutsideError]) -> Iterator[None]:
    """What goes wrong outside in this block is tried again, after the wait that they asked for, unless let through."""
    try:
        yield
    except let_through:
        raise
    except OutsideError as error:
        seconds = error.retry_after_seconds if isinstance(error, Unavailable) else None
        wait = None if seconds is None else timedelta(seconds=seconds)
        raise ApplicationError(str(error), type=type(error).__name__, next_retry_delay=wait) from error
