"""What has come of a challenge in all, for whoever watches it: a line, however many have taken part."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from storage.challenges import StoredChallenge
from storage.hot_path import run

# Whoever was merged is the other member.
_TOTALS = """SELECT count(*)::int AS claims,
        (count(*) FILTER (WHERE c.state <> 'withdrawn'))::int AS completions,
        (count(DISTINCT COALESCE(m.merged_into, m.id)) FILTER (WHERE c.state <> 'withdrawn'))::int AS people,
        (count(DISTINCT c.team) FILTER (WHERE c.state <> 'withdrawn'))::int AS teams,
        COALESCE(max(c.place), 0)::int AS places,
        COALESCE(sum(c.points) FILTER (WHERE c.state <> 'withdrawn'), 0)::bigint AS points
    FROM challenge_claims c JOIN members m ON m.program_id = c.program_id AND m.id = c.member_id
    WHERE c.program_id = %(program_id)s AND c.challenge = %(challenge)s"""


@dataclass(frozen=True, slots=True)
class Totals:
    """`claims` are all completions, those that were taken back included; of the rest there are `completions` by so
    many `people` of so many `teams`, which were paid `points`. `places` is the last place that was given."""

    claims: int
    completions: int
    people: int
    teams: int
    places: int
    points: int


async def get(session: AsyncSession, stored: StoredChallenge) -> Totals:
    """The challenge's totals as they are now."""
    [row] = await run(session, _TOTALS, {"program_id": stored.program_id, "challenge": stored.key})
    return Totals(*row)
