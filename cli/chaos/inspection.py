"""What must hold after each fault: I1 to I5 and I9 over all rows, I10 of each member's statement, and I8, what callers
were told beside what the ledger did."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from cli.chaos.load import Answer, Deployment, Request, send
from cli.work import now
from domain.account_statements import Period
from domain.checkpoints import SigningKeys
from relay.sealing import Sealer
from storage import account_statements, chain, checkpoints, effects, members, seals, verification
from storage.database import Database
from storage.effects import Effect
from storage.verification import MAX_EXAMPLES, Check

UNIT, TIME_ZONE = "points", "UTC"
# How many requests of a round are sent once more; those that took several attempts come first.
MAX_REPEATED = 60
ATTEMPTS = 50
PAUSE_SECONDS = 0.1

Effects = Mapping[str, Sequence[Effect]]
Got = TypeVar("Got")


class Inspection:
    """Looks at one program again and again; the signed checkpoints of earlier looks are kept and must still fit."""

    def __init__(self, database: Database, program_id: str, deployment: Deployment, keys: SigningKeys) -> None:
        self._database = database
        self._program_id = program_id
        self._deployment = deployment
        self._keys = keys
        self._notes: list[str] = []

    async def look(self, requests: Sequence[Request], since: datetime, new: Sequence[Request]) -> list[Check]:
        """All checks; statements begin at the instant, and of `new` requests some are sent again."""
        await self._database.dispose()  # its connections have died with the servers
        repeated = await self._repeat(new)
        await self._seal()
        async with self._database.snapshots() as (rows, links):
            found = await verification.verify(rows, self._program_id)
            found += await chain.verify(links, self._program_id, self._keys, self._notes)
            found += [await self._statements(rows, since)]
            done = await effects.list_all(rows, self._program_id)
        return found + compare(requests, done) + [repeated, _undocumented(requests)]

    async def _seal(self) -> None:
        """Seal all there is, and keep a signed checkpoint outside of the database."""
        await Sealer(self._database, self._keys, clock=now).seal()
        note = await _until(self._sign)
        if note is None:
            raise TimeoutError("no turn to sign a checkpoint")
        if note not in self._notes:
            self._notes.append(note)

    async def _sign(self) -> str | None:
        """None while the connection of the round's own sealer still has the turn."""
        async with self._database.begin() as session:
            if not await seals.take_turn(session, self._program_id):
                return None
            await checkpoints.make(session, self._program_id, self._keys, now=now())
            return await checkpoints.find_last(session, self._program_id)

    async def _statements(self, session: AsyncSession, since: datetime) -> Check:
        people = [person.id for person in self._deployment.members]
        wrong = [one for one in people if not await self._statement_holds(session, one, since)]
        return _check("I10 opening and entries make the closing, which is the balance", people, wrong)

    async def _statement_holds(self, session: AsyncSession, member_id: str, since: datetime) -> bool:
        until = now() + timedelta(days=1)
        period = Period(member_id, UNIT, since, until, until)
        told = await account_statements.summary(session, self._program_id, period, TIME_ZONE)
        moved = [line.amount async for line in account_statements.stream_lines(session, self._program_id, period)]
        balance = await members.balance(session, self._program_id, member_id, as_of=until, unit=UNIT)
        stands = balance.available - balance.debt, balance.held
        return told.opening.balance + sum(moved) == told.closing.balance and stands == (
            told.closing.balance,
            told.closing.held,
        )

    async def _repeat(self, requests: Sequence[Request]) -> Check:
        """Under the same key the same answer; what was done is told under another key as well, by its own name."""
        answered = sorted((one for one in requests if one.answer), key=lambda one: -one.attempts)[:MAX_REPEATED]
        async with self._deployment.client() as client:
            otherwise = [await _answered_otherwise(client, request) for request in answered]
        return _check("I8 what is asked again is answered the same", answered, [one for one in otherwise if one])


async def _answered_otherwise(client: httpx.AsyncClient, request: Request) -> str | None:
    """How a request is answered now, if that is not as before."""
    again = await _until(partial(send, client, request, request.name))
    if again == request.answer and request.accepted:
        other = await _until(partial(send, client, request, f"{request.name}-again"))
        return None if _tells_the_same(request, other) else f"{request.name}: {request.answer}, then {other}"
    return None if again == request.answer else f"{request.name}: {request.answer}, then {again}"


async def _until(attempt: Callable[[], Awaitable[Got | None]]) -> Got | None:
    """What the first attempt gives that gives anything; None after so many."""
    for _ in range(ATTEMPTS):
        if (got := await attempt()) is not None:
            return got
        await asyncio.sleep(PAUSE_SECONDS)
    return None


def _tells_the_same(request: Request, answer: Answer | None) -> bool:
    return answer is not None and answer.status < 300 and _id_in(request, answer) == _id_in(request, request.answer)


def _id_in(request: Request, answer: Answer | None) -> str:
    """What the answer names: the event, or the transaction of a command."""
    assert answer is not None
    return str(answer.body["id" if request.kind == "event" else "transaction_id"])


def compare(requests: Sequence[Request], done: Iterable[Effect]) -> list[Check]:
    """I8: each accepted request has its one effect, each refused one none, any other at most one."""
    found: dict[str, list[Effect]] = defaultdict(list)
    for effect in done:
        found[effect.name].append(effect)
    accepted = [one for one in requests if one.accepted]
    refused = [one for one in requests if one.answer and not one.accepted]
    unanswered = [one for one in requests if one.answer is None]
    strange = found.keys() - {request.name for request in requests}
    return [
        _of_requests("I8 what was acknowledged is there once, as told", accepted, found, _as_told),
        _of_requests("I8 what was refused did nothing", refused, found, lambda _, own: not own),
        _of_requests("I8 what nobody heard of happened at most once", unanswered, found, _at_most_once),
        _check("I8 nothing is there that nobody asked for", list(found), sorted(strange)),
        _check(
            "I13 whoever went on asking was answered",
            [one for one in requests if not one.sent_once],
            [one.name for one in unanswered if not one.sent_once],
        ),
    ]


def _as_told(request: Request, own: Sequence[Effect]) -> bool:
    if len(own) != 1 or own[0].amount != request.amount:
        return False
    [effect] = own
    return _id_in(request, request.answer) == (effect.event_id if request.kind == "event" else effect.transaction_id)


def _at_most_once(request: Request, own: Sequence[Effect]) -> bool:
    return not own or (len(own) == 1 and own[0].amount == request.amount)


def _of_requests(
    name: str, requests: Sequence[Request], found: Effects, holds: Callable[[Request, Sequence[Effect]], bool]
) -> Check:
    return _check(name, requests, [one.name for one in requests if not holds(one, found.get(one.name, ()))])


def _undocumented(requests: Sequence[Request]) -> Check:
    faults = [fault for request in requests for fault in request.faults]
    return _check("I12 every refusal is documented, and none is a fault of the server", requests, faults)


def _check(name: str, things: Sequence[object], wrong: Sequence[str]) -> Check:
    return Check(name, len(things), len(wrong), tuple(wrong[:MAX_EXAMPLES]))
