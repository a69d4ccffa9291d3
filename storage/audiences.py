"""Audiences: which of them the members of a program meet."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.expressions import ExpressionError, context, evaluate
from domain.members import ATTRIBUTES, Member, as_attributes, attributes, custom_from_json
from storage.tables import members

PAGE_MEMBERS = 1_000


async def list_unmet(session: AsyncSession, program_id: str, audiences: Collection[str]) -> set[str]:
    """Those of the audiences that no member who is there now is in; none while the program has nobody."""
    unmet, after = set(audiences), ""
    while unmet:
        columns = [members.c[name] for name in ("id", *ATTRIBUTES)]
        own = members.c.program_id == program_id, members.c.status != "left", members.c.id > after
        page = await session.execute(select(*columns).where(*own).order_by(members.c.id).limit(PAGE_MEMBERS))
        rows = page.mappings().all()
        if not rows and not after:
            return set()
        for row in rows:
            unmet -= _met(unmet, row)
        if len(rows) < PAGE_MEMBERS:
            break
        after = rows[-1]["id"]
    return unmet


def holds(audience: str | None, member: Member) -> bool:
    """Whether the member is in the audience; everybody is in None."""
    return audience is None or _holds(audience, context({}, attributes(member), {}))


def _met(audiences: Collection[str], row: Mapping[Any, Any]) -> set[str]:
    member = as_attributes({**row, "custom": custom_from_json(row["custom"])})
    using = context({}, member, {})
    return {audience for audience in audiences if _holds(audience, using)}


def _holds(audience: str, using: Any) -> bool:
    try:
        return evaluate(audience, using) is True
    except ExpressionError:
        return False
