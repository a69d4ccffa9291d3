"""The callers of `laurel chaos`: each asks for one thing after the other, and again under its key until it is answered.

Some never ask again: what they asked for may have happened or not, but not twice.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import httpx
import orjson

from api.problems import TABLE
from cli.work import now

CALLERS = 16
# Then a caller hangs up and asks again.
ATTEMPT_SECONDS = 3.0
PAUSE_SECONDS = 0.1
# Then a caller gives up: the deployment has not recovered.
PATIENCE_SECONDS = 120.0
# The share of requests that are sent once, whatever comes of it.
SENT_ONCE = 0.1
MAX_AMOUNT = 50
# The system that sends events and knows the members.
SOURCE = "crm"

WEIGHTS = {"event": 4, "earn": 2, "adjust": 2, "transfer": 3, "hold": 4, "settle": 3, "release": 2, "reverse": 3}
PATHS = {"event": "/v1/events", "earn": "/v1/earnings", "adjust": "/v1/adjustments", "transfer": "/v1/transfers"}
PATHS |= {"hold": "/v1/holds", "reverse": "/v1/reversals"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller was told in the end; `replayed` says that an attempt before had done it already."""

    status: int
    body: Json
    replayed: bool = field(default=False, compare=False)


@dataclass(slots=True)
class Request:
    """One thing asked for. Its name is its idempotency key, and its reference or the event's external id.

    `amount` is what it moves if it is accepted. `faults` are answers that nobody should ever get.
    """

    name: str
    kind: str
    path: str
    content: bytes
    amount: int
    sent_once: bool
    attempts: int = 0
    answer: Answer | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        return self.answer is not None and self.answer.status < 300

    @property
    def replayed(self) -> bool:
        return self.answer is not None and self.answer.replayed


class Person(NamedTuple):
    """A member, by its id and by its name in the system that sends events."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where callers call, as whom, and for which members."""

    url: str
    key: str = field(repr=False)
    members: Sequence[Person]

    def client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=ATTEMPT_SECONDS)


class Load:
    """Callers that go on until told to stop; they remember what they did over any number of runs."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        self.requests: list[Request] = []
        self._deployment = deployment
        self._callers = [Caller(f"{seed}-{n}", deployment.members, Random(f"{seed}/{n}")) for n in range(CALLERS)]
        # When what was answered had been sent, and when the answer came.
        self._answered: list[tuple[float, float]] = []
        self._news = asyncio.Condition()
        self._stopping = False

    async def run(self) -> None:
        """Returns when `stop` was called and everybody has been answered."""
        self._stopping = False
        async with asyncio.TaskGroup() as callers:
            for caller in self._callers:
                callers.create_task(self._go_on(caller))
        self._answered.clear()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stopping = True

    async def answered(self, count: int, sent_after: float) -> float:
        """Returns, once so many that were sent after the instant are answered, when the first of them was."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self._answers_to(sent_after)) >= count)
        return min(self._answers_to(sent_after))

    def _answers_to(self, sent_after: float) -> list[float]:
        return [done_at for sent_at, done_at in self._answered if sent_at >= sent_after]

    async def _go_on(self, caller: "Caller") -> None:
        async with self._deployment.client() as client:
            while not self._stopping:
                request = caller.next_request()
                self.requests.append(request)
                await self._ask(client, request)
                caller.learn(request)

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while request.answer is None and time.monotonic() < give_up_at:
            sent_at = time.monotonic()
            request.attempts += 1
            request.answer = await send(client, request, request.name)
            if request.answer is not None:
                async with self._news:
                    self._answered.append((sent_at, time.monotonic()))
                    self._news.notify_all()
            elif request.sent_once:
                return
            else:
                await asyncio.sleep(PAUSE_SECONDS)


async def send(client: httpx.AsyncClient, request: Request, key: str) -> Answer | None:
    """The answer to one attempt; None if there was none, or one that says to try again."""
    try:
        answer = await client.post(request.path, content=request.content, headers={"idempotency-key": key})
        body = answer.json()
    except (httpx.TransportError, ValueError):  # garbage where JSON should be is half an answer
        return None
    if not answer.is_success and (body.get("code") not in TABLE or answer.status_code == 500):
        request.faults.append(f"{request.name}: {answer.status_code} {body}")
    return None if body.get("retryable") else Answer(answer.status_code, body, "idempotent-replayed" in answer.headers)


class Caller:
    """Draws what to ask for next from what it knows: its open holds, and transactions that it may reverse."""

    def __init__(self, name: str, members: Sequence[Person], random: Random) -> None:
        self._name = name
        self._members = members
        self._random = random
        self._asked = 0
        self._holds: dict[str, int] = {}
        self._posted: list[tuple[str, int]] = []
        # The hold that the last request is about.
        self._of_hold: str | None = None

    def next_request(self) -> Request:
        """Something new, under a name of its own."""
        [kind] = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind in ("settle", "release") and not self._holds:
            kind = "hold"
        if kind == "reverse" and not self._posted:
            kind = "earn"
        self._asked += 1
        name = f"{self._name}-{self._asked}"
        path, body, amount = self._drawn(kind)
        named = {"external_id": name} if kind == "event" else {"reference": name}
        content = orjson.dumps(named | body)
        return Request(name, kind, path, content, amount, sent_once=self._random.random() < SENT_ONCE)

    def learn(self, request: Request) -> None:
        """Take up what the answer to its last request makes possible."""
        hold, self._of_hold = self._of_hold, None
        if not request.accepted:
            if hold is not None:  # how much of it is left is not known
                del self._holds[hold]
            return
        assert request.answer is not None
        told = request.answer.body
        if request.kind == "hold":
            self._holds[told["hold_id"]] = request.amount
        if hold is not None:
            self._holds[hold] -= request.amount
            if not self._holds[hold]:
                del self._holds[hold]
        if request.kind in ("earn", "adjust", "transfer", "settle"):
            self._posted.append((told["transaction_id"], request.amount))

    def _drawn(self, kind: str) -> tuple[str, Json, int]:
        amount = self._random.randint(1, MAX_AMOUNT)
        member = self._random.choice(self._members)
        match kind:
            case "event":
                return PATHS[kind], self._deal(member.name, amount), amount
            case "adjust":
                sign = self._random.choice((1, -1))
                return PATHS[kind], {"member_id": member.id, "amount": sign * amount, "reason": "chaos"}, amount
            case "transfer":
                other = self._random.choice([one for one in self._members if one != member])
                return PATHS[kind], {"from_member_id": member.id, "to_member_id": other.id, "amount": amount}, amount
            case "settle" | "release":
                return self._part_of_hold(kind)
            case "reverse":
                transaction_id, moved = self._random.choice(self._posted)
                part = self._random.randint(1, moved)
                return PATHS[kind], {"transaction_id": transaction_id, "amount": part}, part
        return PATHS[kind], {"member_id": member.id, "amount": amount}, amount

    def _part_of_hold(self, kind: str) -> tuple[str, Json, int]:
        hold, left = self._random.choice(list(self._holds.items()))
        self._of_hold = hold
        path = f"/v1/holds/{hold}/{kind}"
        if self._random.random() < 0.5:
            return path, {}, left
        part = self._random.randint(1, left)
        return path, {"amount": part}, part

    def _deal(self, member: str, points: int) -> Json:
        return {
            "source": SOURCE,
            "type": "deal.won",
            "member": {"source": SOURCE, "external_id": member},
            "occurred_at": now().isoformat(),
            "data": {"points": points},
        }


def counted(requests: Sequence[Request]) -> dict[str, dict[str, int]]:
    """By kind how many were accepted, refused and never answered."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in WEIGHTS}
    for request in requests:
        how = "accepted" if request.accepted else "refused" if request.answer else "unanswered"
        found[request.kind][how] += 1
    return {kind: {how: one[how] for how in ("accepted", "refused", "unanswered")} for kind, one in found.items()}
