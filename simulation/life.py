"""Living: what is told of a company goes through the real engine at the instants of the company's own time.

One transaction takes what is told at one instant. Whatever intake leaves for itself in the outbox is done in the same
transaction, as the relay would, so no worker that happens to run takes part with a clock of its own. Between days, what
time does is done: value lapses, holds run out. Rewards are given; their workflows and the boards are left to a worker.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from activities.challenges import ChallengeActivities, ChallengeAt
from domain import events as domain_events
from domain.absences import AbsenceChange
from domain.challenges import CHALLENGE_ENDED
from domain.commands import Accepted, PlaceHold, Settle
from domain.deciding import UNIT
from domain.events import MEMBER_EXTERNAL_ID, Identity
from domain.member_changes import MemberResult, read
from domain.outbox import Lane
from relay.intake import act
from simulation.company import Company, Employed, Sent, Spent, Told, lives
from storage import (
    absences,
    challenges,
    commands,
    configurations,
    employment,
    expiry,
    intake,
    member_changes,
    members,
    outbox,
    streaks,
    tiers,
)
from storage.database import Database

ACTOR = "simulation"
ROWS_AT_ONCE = 500
MAX_ROUNDS = 1_000  # of what intake leaves for itself in one transaction

Daily = Callable[[datetime], Awaitable[None]]


async def _nothing(midnight: datetime) -> None:
    """Nothing else happens."""


async def company_of(database: Database, program_id: str, **made: Any) -> Company:
    """A company whose people do what the program's event types know."""
    async with database.begin() as session:
        configuration = await configurations.read_active(session, program_id)
    fields = {key: tuple(one.fields) for key, one in configuration.event_types.items()}
    return Company(fields, **made)


async def live(database: Database, program_id: str, company: Company, *, daily: Daily = _nothing) -> Counter[str]:
    """Live through the company's months in a program without members; what was told, counted by what came of it.

    `daily` is awaited at each midnight (UTC), before what time does is done.
    """
    lived: Counter[str] = Counter()
    today = company.starts_at
    for at, told in groupby(lives(company), key=lambda one: one.at):
        while today + timedelta(days=1) <= at:
            today += timedelta(days=1)
            await daily(today)
            await _pass(database, program_id, today)
        for kind, some in groupby(told, key=lambda one: type(one.what)):
            await _take(database, program_id, kind, list(some), at, lived)
    return lived


# -- What is told --------------------------------------------------------------------------------------------------

Take = Callable[[AsyncSession, str, Sequence[Any], datetime], Awaitable[Iterable[str]]]


async def _take(
    database: Database, program_id: str, kind: type[Any], told: Sequence[Told], at: datetime, lived: Counter[str]
) -> None:
    for first in range(0, len(told), ROWS_AT_ONCE):
        some = [one.what for one in told[first : first + ROWS_AT_ONCE]]
        async with database.begin() as session:
            lived.update(await _TAKING[kind](session, program_id, some, at))
            await follow(session, program_id, at)


async def follow(session: AsyncSession, program_id: str, at: datetime) -> None:
    """Do what intake has left for itself, and what that leaves in turn."""
    for _ in range(MAX_ROUNDS):
        rows = await outbox.take(session, program_id, Lane.INTAKE, now=at, limit=ROWS_AT_ONCE)
        if not rows:
            return
        for row in rows:
            await act(session, row, as_of=at)
    raise RuntimeError(f"what intake leaves for itself has no end after {MAX_ROUNDS} rounds")


async def _employ(session: AsyncSession, program_id: str, told: Sequence[Employed], at: datetime) -> Iterable[str]:
    results: list[MemberResult] = []
    for since, some in groupby(told, key=lambda one: one.since):
        rows = [read(one.row) for one in some]
        results += await member_changes.write(session, program_id, rows, effective_at=since, now=at)
    return [f"member {result.status}" for result in results]


async def _absent(session: AsyncSession, program_id: str, told: Sequence[AbsenceChange], at: datetime) -> Iterable[str]:
    results = await absences.write(session, program_id, told, as_of=at)
    return [f"absence {result.status}" for result in results]


async def _send(session: AsyncSession, program_id: str, told: Sequence[Sent], at: datetime) -> Iterable[str]:
    facts = [domain_events.Told(one.event, one.policy) for one in told]
    outcomes = await intake.record_all(session, program_id, facts, as_of=at)
    return [f"event {_what(one)} {outcome.status}" for one, outcome in zip(told, outcomes, strict=True)]


def _what(sent: Sent) -> str:
    return "retraction" if sent.event.retracts is not None else sent.event.type


async def _spend(session: AsyncSession, program_id: str, told: Sequence[Spent], at: datetime) -> Iterable[str]:
    """Hold what is wanted and spend it; who has not enough is refused, and that is kept as well."""
    wanted = {Identity(MEMBER_EXTERNAL_ID, one.member) for one in told}
    known = await members.find_named(session, program_id, wanted)
    able = [one for one in told if Identity(MEMBER_EXTERNAL_ID, one.member) in known]
    if not able:
        return []
    holds = [
        PlaceHold(
            reference=one.reference,
            actor=ACTOR,
            member_id=known[Identity(MEMBER_EXTERNAL_ID, one.member)],
            unit=UNIT,
            amount=one.points,
        )
        for one in able
    ]
    held = await commands.execute(session, program_id, holds, as_of=at)
    settled = [
        Settle(reference=f"{one.reference}/settled", actor=ACTOR, hold_id=outcome.hold_id)
        for one, outcome in zip(able, held, strict=True)
        if isinstance(outcome, Accepted) and outcome.hold_id
    ]
    if settled:
        await commands.execute(session, program_id, settled, as_of=at)
    return ["redemption " + ("accepted" if isinstance(one, Accepted) else "refused") for one in held]


_TAKING: Mapping[type[Any], Take] = {Employed: _employ, AbsenceChange: _absent, Sent: _send, Spent: _spend}


# -- What time does ------------------------------------------------------------------------------------------------


async def _pass(database: Database, program_id: str, midnight: datetime) -> None:
    """A day has ended: tiers fall, value lapses, dates come, streaks are folded, challenges go on."""
    await _tiers_fall(database, program_id, midnight)
    await expiry.run_all(database, as_of=midnight, clock=lambda: midnight, program_ids=[program_id])
    await _dates_come(database, program_id, midnight)
    await _streaks_go_on(database, program_id, midnight)
    await _challenges_go_on(database, program_id, midnight)


async def _tiers_fall(database: Database, program_id: str, midnight: datetime) -> None:
    async with database.begin() as session:
        ladders = sorted((await configurations.read_active(session, program_id)).tiers)
    for ladder in ladders:
        left = True
        while left:
            async with database.begin() as session:
                configuration = await configurations.get_active(session, program_id)
                left = bool(await tiers.settle_page(session, configuration, ladder, as_of=midnight))
                await follow(session, program_id, midnight)


async def _dates_come(database: Database, program_id: str, midnight: datetime) -> None:
    after: str | None = ""
    while after is not None:
        async with database.begin() as session:
            page = await employment.settle_page(session, program_id, after=after, as_of=midnight)
            await follow(session, program_id, midnight)
        after = page.after


async def _streaks_go_on(database: Database, program_id: str, midnight: datetime) -> None:
    async with database.begin() as session:
        policies = sorted((await configurations.read_active(session, program_id)).streaks)
    for policy in policies:
        left = True
        while left:
            async with database.begin() as session:
                folded = await streaks.settle_page(session, program_id, policy, as_of=midnight, limit=streaks.MAX_PAGE)
                await follow(session, program_id, midnight)
            left = bool(folded)


async def _challenges_go_on(database: Database, program_id: str, midnight: datetime) -> None:
    """What their workflows would do, each step if its time has come."""
    async with database.begin() as session:
        running = [one for one in await challenges.list_page(session, program_id) if one.state not in CHALLENGE_ENDED]
    steps = ChallengeActivities(database, lambda: midnight)
    for challenge in sorted(running, key=lambda one: one.key):
        at = ChallengeAt(program_id, challenge.id, midnight)
        for step in (steps.open_challenge, steps.close_challenge, steps.settle_challenge):
            await step(at)
    async with database.begin() as session:
        await follow(session, program_id, midnight)
