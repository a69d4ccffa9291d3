"""Pages of lists: one item more than asked for tells whether there is a next page."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.schemas.base import PageQuery

Item = TypeVar("Item")
Position = Sequence[Any]


async def answer_page(
    request: Request,
    query: PageQuery,
    of: Sequence[Any],
    read: Callable[[AsyncSession, Position | None, int], Awaitable[Sequence[Item]]],
    position: Callable[[Item], Position],
    document: Callable[[Item], Any],
) -> Response:
    """Answer a page of the list `of` (its name and filters): `read` takes where to go on, and how many items."""
    here, program_id = backends(request), caller(request).program_id
    after = here.cursors.read(program_id, of, query.cursor) if query.cursor else None
    async with here.database.begin() as session:
        items = await read(session, after, query.limit + 1)
    shown = items[: query.limit]
    page: dict[str, Any] = {"items": [document(item) for item in shown]}
    if len(items) > len(shown):
        page["next_cursor"] = here.cursors.write(program_id, of, position(shown[-1]))
    return answer(page)
