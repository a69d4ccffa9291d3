"""Idempotency-Key: a request that is sent again under the same key gets the first one's answer and does nothing.

The transaction that does the work begins by trying the keys' locks; what is kept is the outcome as data, in the same
transaction. Answers of 500 and above keep nothing.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from activities import failpoints
from api import headers, problems
from api.answers import answer as render
from api.answers import as_json
from api.auth import caller
from api.problems import Problem
from domain.idempotency import IdempotencyKey
from storage import idempotency
from storage.database import Database
from storage.failures import retry
from storage.hot_path import savepoint

HEADER = "Idempotency-Key"
# Printable ASCII without space, quote, comma and backslash; bare, or as a structured-field string (RFC 9651).
_CHARACTER = r"[!#-+\-.-\[\]-~]"
PATTERN = rf'^({_CHARACTER}{{1,255}}|"{_CHARACTER}{{1,255}}")$'
REPLAYED = {"Idempotent-Replayed": "true"}
IN_USE_RETRY_SECONDS = 1

_NAME = HEADER.lower().encode()
_FORM = re.compile(PATTERN)


@dataclass(frozen=True, slots=True)
class New:
    """Nobody has done this yet: do it."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """This was done before; its outcome as it was kept."""

    outcome: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Twin:
    """The same request as an earlier one of this batch: answer what that one gets."""

    of: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Must not be done."""

    problem: Problem


Admission = New | Repeat | Twin | Refused


def key_of(request: Request, body: bytes) -> IdempotencyKey | None:
    """The request's key, if it has one; raises Problem invalid_idempotency_key."""
    given = headers.find(request.scope, _NAME)
    if given is None:
        return None
    if not _FORM.fullmatch(given):
        raise Problem("invalid_idempotency_key")
    scope = f"{caller(request).id} {request.method} {request.scope['route'].path_format}"
    fingerprint = hashlib.sha256(request.scope["path"].encode() + b"\0" + body).digest()
    return IdempotencyKey(scope, given.strip('"'), fingerprint)


async def admit(session: AsyncSession, program_id: str, keys: Sequence[IdempotencyKey | None]) -> list[Admission]:
    """For each request of a batch, in order, whether to do it; must come first in the transaction that does."""
    named = [key for key in keys if key is not None]
    if not named:
        return [New()] * len(keys)
    free = await idempotency.try_lock(session, program_id, named)
    kept = await idempotency.find(session, program_id, free)
    admissions: list[Admission] = []
    first: dict[tuple[str, str], tuple[int, bytes]] = {}
    for n, key in enumerate(keys):
        if key is None:
            admissions.append(New())
        elif key.name not in free:
            admissions.append(Refused(Problem("idempotency_key_in_use", retry_after_seconds=IN_USE_RETRY_SECONDS)))
        elif (done := kept.get(key.name)) is not None:
            admissions.append(_same(key, done.fingerprint, Repeat(done.outcome)))
        elif key.name in first:
            admissions.append(_same(key, first[key.name][1], Twin(first[key.name][0])))
        else:
            first[key.name] = n, key.fingerprint
            admissions.append(New())
    return admissions


def _same(key: IdempotencyKey, fingerprint: bytes, admission: Admission) -> Admission:
    return admission if key.fingerprint == fingerprint else Refused(Problem("idempotency_key_reused"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: a status and JSON data."""

    status: int
    data: Any


# What it raises leaves nothing of what it did; a Problem that it answers is an answer like another.
Command = Callable[[AsyncSession], Awaitable[Answer | Problem]]


async def once(request: Request, body: bytes, database: Database, now: datetime, command: Command) -> Response:
    """Run a command in a transaction, at most once under the request's Idempotency-Key; refusals are kept as well."""
    program_id, key = caller(request).program_id, key_of(request, body)

    async def work() -> tuple[Mapping[str, Any], bool]:
        async with database.begin() as session:
            (admission,) = await admit(session, program_id, [key])
            if isinstance(admission, Refused):
                raise admission.problem
            if isinstance(admission, Repeat):
                return admission.outcome, True
            outcome = await _run(session, command)
            if key is not None:
                await idempotency.insert(session, program_id, [(key, outcome)], now=now)
            return outcome, False

    outcome, replayed = await retry(work)
    await failpoints.reached("before_acknowledge")
    return _render(outcome, request.scope["path"], REPLAYED if replayed else None)


async def _run(session: AsyncSession, command: Command) -> Mapping[str, Any]:
    """The command's outcome; a refusal leaves nothing of what the command did."""
    try:
        async with savepoint(session):
            answer = await command(session)
    except Exception as error:
        problem = problems.of(error)
        if problem.kind.status >= 500:
            raise
        return _refusal(problem)
    if isinstance(answer, Problem):
        return _refusal(answer)
    # As it will be read back: a replay is the same to the letter.
    return {"status": answer.status, "data": orjson.loads(as_json(answer.data))}


def _refusal(problem: Problem) -> dict[str, Any]:
    errors = list(problem.errors)
    return {"code": problem.kind.code, "detail": problem.detail, "errors": errors, "more": problem.more}


def _render(outcome: Mapping[str, Any], path: str, headers: Mapping[str, str] | None) -> Response:
    if "code" in outcome:
        named = {name: outcome[name] for name in ("detail", "errors", "more")}
        return problems.answer(Problem(outcome["code"], headers=headers, **named), path)
    return render(outcome["data"], outcome["status"], headers)
