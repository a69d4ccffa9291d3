"""`laurel explain`: why something is as it is: an event, a ledger line, a milestone, a challenge, a streak, a rank.

Ids are unique, so every program is asked for them unless one is named; names are of one program.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.leaderboards import rank_document
from cli import claims, explanations, leaderboards, milestones, postings, streaks
from cli.errors import CommandFailed
from cli.programs import choose
from cli.tabular import instant
from cli.work import InProgram, Json, answer_json, now, opened
from domain.calendars import ENGINE
from domain.events import MEMBER_EXTERNAL_ID, Identity
from domain.members import Member
from domain.programs import Program
from domain.time import NEVER
from settings import Settings
from storage import challenges, configurations, events, members, programs, ranks
from storage import explanations as stored_explanations
from storage import milestones as stored_milestones
from storage import postings as stored_postings
from storage import streaks as stored_streaks
from storage.challenges import StoredChallenge
from storage.explanations import Explanation

app = typer.Typer()

MAX_CLAIMS = 100  # completions of a challenge that are shown

_ID = re.compile(r"(evt|txn|crs|rwd|chl|mem)_\w+")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: a subject, of a member perhaps only a streak or a rank; or a challenge by its key."""

    subject: str | None
    streak: str | None
    rank: str | None
    challenge: str | None
    at: str | None
    known_at: str | None

    @property
    def id(self) -> re.Match[str] | None:
        """The subject, if it is an id."""
        return _ID.fullmatch(self.subject or "")

    @property
    def of_member(self) -> bool:
        return bool(self.streak or self.rank)


class Answer(NamedTuple):
    """An explanation for scripts, and the same line by line for people, in rich's markup."""

    record: Any
    lines: Sequence[str]


@app.command()
def explain(
    subject: Annotated[
        str | None,
        typer.Argument(
            help="evt_..., txn_..., crs_..., rwd_..., chl_... or mem_...; an event's SOURCE:EXTERNAL_ID; or a member's"
            " name, as SOURCE:EXTERNAL_ID in another system or as the external_id.",
            metavar="SUBJECT",
        ),
    ] = None,
    streak: Annotated[
        str | None, typer.Option(help="The member's streak of this policy, period by period.", metavar="POLICY")
    ] = None,
    rank: Annotated[
        str | None, typer.Option(help="Where the member stands on this board, and why just there.", metavar="BOARD")
    ] = None,
    challenge: Annotated[
        str | None, typer.Option(help="Instead of a subject: the challenge of this key.", metavar="KEY")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Streak or rank as of a past day or moment. Default: now.")] = None,
    known_at: Annotated[
        str | None, typer.Option(help="Streak or rank as it was known then. Default: all that is known.")
    ] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Say why: with the version of what decided, what it read, and its arithmetic.

    Of an event: which rules it matched, which it did not and why, caps, and what came of it. Of a transaction: what
    it came from. Of a crossing or a reward: the milestone, and what there was before and after. Of a challenge: who
    came in which order. Of a member: why each of the last 10 events earned what it earned, or nothing.
    """
    asked = Asked(subject, streak, rank, challenge, at, known_at)
    answer = asyncio.run(_find(Settings(), asked, program))
    if json:
        answer_json(answer.record)
        return
    console = Console(soft_wrap=True)
    for line in answer.lines:
        console.print(line, highlight=False)


async def _find(settings: Settings, asked: Asked, wanted: str | None) -> Answer:
    if (asked.subject is None) == (asked.challenge is None):
        raise CommandFailed("name what to explain: a subject, or a challenge with --challenge")
    if (asked.streak and asked.rank) or (asked.of_member and asked.id and asked.id[1] != "mem"):
        raise CommandFailed("--streak and --rank, one at a time, are of a member")
    async with opened(settings) as database, database.snapshot() as session:
        if asked.id is None:
            return await _named(session, await choose(session, wanted), asked)
        for program in await programs.list_all(session):
            if wanted in (None, program.id, program.name):
                with suppress(LookupError):
                    return await BY_PREFIX[asked.id[1]](session, program, asked)
    raise CommandFailed(f"nothing is known of {asked.subject}")


# -- What is named, not by an id ------------------------------------------------------------------------------------


async def _named(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    """A challenge by its key, an event by its name, a member by any."""
    if asked.challenge is not None:
        stored = await challenges.find(session, program.id, asked.challenge)
        if stored is None:
            raise CommandFailed(f"there is no challenge {asked.challenge}")
        return await _challenge(session, stored)
    source, colon, external_id = (asked.subject or "").partition(":")
    if colon and not asked.of_member and (event_id := await events.find_id(session, program.id, source, external_id)):
        return _event(await stored_explanations.get(session, program.id, event_id))
    name = Identity(source, external_id) if colon else Identity(MEMBER_EXTERNAL_ID, source)
    member = await members.find_by_identity(session, program.id, name)
    return await (_member(session, program, member, asked) if member else _nobody(session, program, name, asked))


async def _nobody(session: AsyncSession, program: Program, name: Identity, asked: Asked) -> Answer:
    """What waits for somebody of this name."""
    waiting = await stored_explanations.list_waiting(session, program.id, name)
    if not waiting:
        raise CommandFailed(f"nothing is known of {asked.subject}: no event and no member has this name")
    return _latest(f"nobody is known as {asked.subject}; the last events that wait for them:", waiting)


# -- By id ---------------------------------------------------------------------------------------------------------


async def _event_of_id(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    return _event(await stored_explanations.get(session, program.id, asked.subject or ""))


def _event(explanation: Explanation) -> Answer:
    return Answer(explanation, [*explanations.told(explanation)])


async def _posting(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    """With the event, if it came from one."""
    posting = await stored_postings.explain(session, program.id, asked.subject or "")
    record: dict[str, Any] = asdict(posting) | {"origin": posting.origin, "event": None}
    lines = [*postings.told(posting)]
    if posting.event_id:
        record["event"] = await stored_explanations.get(session, program.id, posting.event_id)
        lines += ["", *explanations.told(record["event"])]
    return Answer(record, lines)


async def _crossing(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    crossing = await stored_milestones.explain_crossing(session, program.id, asked.subject or "")
    return Answer(crossing, [*milestones.told_crossing(crossing)])


async def _reward(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    reward = await stored_milestones.explain_reward(session, program.id, asked.subject or "")
    return Answer(reward, [*milestones.told_reward(reward)])


async def _challenge_of_id(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    return await _challenge(session, await challenges.get(session, program.id, asked.subject or ""))


async def _challenge(session: AsyncSession, stored: StoredChallenge) -> Answer:
    """The claim order, and who has the last place."""
    found = await challenges.list_claims(session, stored.program_id, stored.key, limit=MAX_CLAIMS)
    last = await challenges.find_last_place(session, stored)
    whose = [one.member_id for one in (*found, *([last] if last else ()))]
    names = await members.find_names(session, stored.program_id, whose)
    record = {"id": stored.id, "key": stored.key, "state": stored.state, "first": stored.definition.first}
    record |= {"version": stored.definition.version, "fairness": stored.definition.fairness}
    return Answer(record | {"claims": found, "last_place": last}, [*claims.told(stored, found, last, names)])


# -- Of a member ---------------------------------------------------------------------------------------------------


async def _member_of_id(session: AsyncSession, program: Program, asked: Asked) -> Answer:
    return await _member(session, program, await members.get(session, program.id, asked.subject or ""), asked)


async def _member(session: AsyncSession, program: Program, member: Member, asked: Asked) -> Answer:
    try:
        if asked.streak:
            return await _streak(session, program, member, asked.streak, **_times(program, asked))
        if asked.rank:
            return await _rank(session, program, member, asked.rank, **_times(program, asked))
    except LookupError as error:
        raise CommandFailed(str(error)) from None
    latest = await stored_explanations.list_latest(session, program.id, member.id)
    what = "the last events, newest first:" if latest else "no event is known, so nothing was earned"
    return _latest(f"{member.name} ({member.id}): {what}", latest)


def _times(program: Program, asked: Asked) -> dict[str, datetime | None]:
    return {name: instant(getattr(asked, name), program.time_zone) for name in ("at", "known_at")}


async def _streak(
    session: AsyncSession,
    program: Program,
    member: Member,
    policy: str,
    *,
    at: datetime | None,
    known_at: datetime | None,
) -> Answer:
    times = {"as_of": at or now(), "known_at": known_at or NEVER}
    streak = await stored_streaks.read_at(session, program.id, member.id, policy, **times)
    now_in_force = await configurations.read_active(session, program.id)
    by = {"version": now_in_force.streaks[policy].version, "configuration": now_in_force.number, "calendar": ENGINE}
    told = f"  by version {by['version']} of the policy, configuration {by['configuration']}, holidays of {ENGINE}"
    return Answer(streaks.explained(member.id, policy, streak) | by, [*streaks.told(policy, streak), escape(told)])


async def _rank(
    session: AsyncSession,
    program: Program,
    member: Member,
    board: str,
    *,
    at: datetime | None,
    known_at: datetime | None,
) -> Answer:
    times = {"at": at or now(), "known_at": known_at or now()}
    found = await ranks.get(session, program.id, member.id, board, **times)
    names = await leaderboards.names_above(session, program.id, found)
    return Answer(rank_document(found, names), [escape(line) for line in leaderboards.told(found, names)])


def _latest(title: str, found: Sequence[Explanation]) -> Answer:
    lines = [f"[bold]{escape(title)}[/bold]"]
    for one in found:
        lines += ["", *explanations.told(one)]
    return Answer(found, lines)


Explainer = Callable[[AsyncSession, Program, Asked], Awaitable[Answer]]
BY_PREFIX: Mapping[str, Explainer] = {
    "evt": _event_of_id,
    "txn": _posting,
    "crs": _crossing,
    "rwd": _reward,
    "chl": _challenge_of_id,
    "mem": _member_of_id,
}
