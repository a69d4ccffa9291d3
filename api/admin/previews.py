"""Previews on the administrators' pages: they take their turns with all answers that take long."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response

from api.admin import pages
from api.backends import backends
from domain.game import Challenge
from storage import previews

DAYS = (30, 90)

Found = dict[str, Any]


async def answer(request: Request, challenge: Challenge, whole: Callable[[Found], Awaitable[Response]]) -> Response:
    """What the challenge would have paid over the days that the form names: a part of a page, or the `whole` of it
    where no script put the part in."""
    here, visit = backends(request), pages.visit(request)
    days = next((days for days in DAYS if visit.text("days") == str(days)), DAYS[0])

    async def look_back() -> Response:
        async with here.database.snapshot() as session:
            found = await previews.of_challenge(session, visit.program.id, challenge, days=days, as_of=here.clock())
        shown: Found = {"preview": found, "days": days}
        return pages.render(request, "preview.html", **shown) if pages.is_part(request) else await whole(shown)

    return await here.long_answers.answer(look_back, "text/html", pages.SENT)
