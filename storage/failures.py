"""Failures of PostgreSQL: which of them another try may cure."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

# SQLSTATE classes: connection, resources, operator's intervention, serialization and deadlock; and a lock not obtained.
TRANSIENT_CLASSES = ("08", "53", "57", "40")
LOCK_NOT_AVAILABLE = "55P03"
# Before the second, third and fourth try.
BACKOFF_SECONDS = (0.02, 0.1, 0.5)

RETRIED = Counter(
    "laurel_transactions_retried_total", "Transactions tried again, by the server's code (SQLSTATE)", ["sqlstate"]
)

Result = TypeVar("Result")


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE that the server gave; None if it gave none or this is no error of the database."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def is_transient(error: BaseException) -> bool:
    """Whether nothing is wrong with what was asked: the server is away, out of resources, or a race was lost."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return False
    state = cause.sqlstate
    if state is None:
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in TRANSIENT_CLASSES or state == LOCK_NOT_AVAILABLE


async def retry(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run `work`, which opens its own transaction, again after transient failures; raises the last one."""
    for backoff_seconds in BACKOFF_SECONDS:
        try:
            return await work()
        except Exception as error:
            if not is_transient(error):
                raise
            RETRIED.labels(sqlstate(error) or "none").inc()
        # Losers of one race should not meet again in step.
        await asyncio.sleep(backoff_seconds * random.uniform(0.5, 1.0))
    return await work()
