"""Isolation: a batch that fails on data is halved by savepoints until what fails stands alone."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from storage.failures import sqlstate
from storage.hot_path import savepoint

MAX_RACES = 3  # unique and foreign keys that another transaction got in between, and members merged meanwhile

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Work = Callable[[Sequence[Item]], Awaitable[list[Outcome]]]


class Undecidable(Exception):
    """The domain raised on this data; its cause is attached."""


def why(error: Exception) -> tuple[str, BaseException | None]:
    """Why an item failed alone, without its data, and the exception where a log may show it: the database's may not."""
    cause, state = error.__cause__ or error, sqlstate(error)
    return f"{type(cause).__name__} {state or ''}".strip(), cause if state is None else None


class Overtaken(Exception):
    """Another transaction has changed whom this one must lock."""


@contextmanager
def on_paper() -> Iterator[None]:
    """No database in here: what is raised is about the data."""
    try:
        yield
    except Exception as error:
        raise Undecidable(str(error)) from error


async def isolate(
    session: AsyncSession,
    items: Sequence[Item],
    work: Work[Item, Outcome],
    give_up: Callable[[Item, Exception], Awaitable[Outcome]],
    hold: Callable[[Sequence[Item]], Awaitable[None]] | None = None,
    *,
    savepoint_is_set: bool = False,
) -> list[Outcome]:
    """One outcome for each item, in order: of `work` on as many at once as can be, of `give_up` for what fails alone.

    `work` starts from nothing each time. `hold` locks what comes first in the order of locks, of all items before they
    are halved: the first half keeps its later locks. With `savepoint_is_set` the caller has sent SAVEPOINT as its last
    statement. Raises what is not about the data.
    """
    for race in range(MAX_RACES + 1):
        try:
            async with savepoint(session, is_set=savepoint_is_set or race > 0):
                return await work(items)
        except Exception as error:
            state = sqlstate(error)
            if (state in ("23505", "23503") or isinstance(error, Overtaken)) and race < MAX_RACES:
                continue
            if not isinstance(error, Undecidable) and (state is None or state[:2] not in ("22", "23")):
                raise
            if len(items) == 1:
                return [await give_up(items[0], error)]
            break
    if hold is not None:
        await hold(items)
    middle = len(items) // 2
    first = await isolate(session, items[:middle], work, give_up)
    return [*first, *await isolate(session, items[middle:], work, give_up)]
