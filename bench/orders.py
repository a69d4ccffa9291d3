"""orders: orders by e-mail from the HTTP request to the delivered card, against a bare workflow with as many steps.

Everything runs on this machine as `laurel up` runs it: PostgreSQL durable, Temporal on SQLite in WAL mode, the vendor's
sandbox, API and worker, one process each. An order of ours is requested over HTTP, priced and held, ordered by its
workflow, and delivered when the vendor's notice has been checked against the vendor.

The yardstick is a worker in a process of its own at the same Temporal server, and the same sandbox run once more: as
many activities, timers and calls for each order as ours was counted to make in the warm-up, and nothing else
(`bench/bare.py`). What it does not do: no database, no encryption, no API, no notices, no search attributes, no logs.
The activity that ours has started outside the workflow, because of a notice, is one of the workflow's own there, and
what ours waits for (the second in which the card is delivered) is a timer there. The limit of ten calls a second that a
real vendor sets is lifted for ours by TREMENDOUS_REQUESTS_PER_SECOND; the yardstick has none. Our API and worker are
suspended while the yardstick is measured; its worker, which has nothing to poll for but work, waits beside ours.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import psycopg
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from bench import bare
from bench.bare import BareWorkflow, Shape
from bench.pairs import Compared, compare
from cli.embedded.ports import free_port, is_taken
from cli.embedded.processes import Child, Program
from cli.embedded.stack import Ports, Stack, responds
from domain.definitions import read_definitions
from domain.programs import ProgramKind
from domain.scopes import Scope
from settings import OwnSettings, Settings
from storage import api_keys, configurations, connections, programs
from storage.database import Database
from storage.keyring import Keyring

MEMBERS = 100
WARM_UP, ORDERS, ALONE = 20, 120, 10
AT_ONCE = 16  # requests, or starts of workflows
POLL_SECONDS, PATIENCE_SECONDS = 0.1, 300
ALONE_POLL_SECONDS = 0.01
DELIVERY_SECONDS = 1.0  # how long an e-mail takes in the sandbox, and each timer of the yardstick
VENDOR_KEY = "TEST_bench"
LIFTED = {"TREMENDOUS_REQUESTS_PER_SECOND": "10000", "REQUESTS_PER_MINUTE": "10000000"}

CONFIGURATION: dict[str, Any] = {
    "event_types": {"deal.won": {"fields": {}}},
    "rules": {"points": {"event_type": "deal.won", "award": {"expression": "1000000"}}},
    "catalog": {
        "coffee": {
            "name": "Example Coffee",
            "vendor": "tremendous",
            "product": "SMPLCOFFEEUS",
            "currency": "USD",
            "denominations": [500],
            "points_per_unit": 10,
        }
    },
}


async def run() -> Compared:
    """Orders a second, both; how long one takes alone is in the detail."""
    async with _running() as (stack, shop):
        await _finished(shop, WARM_UP)
        before = await _count(shop)
        await _finished(shop, WARM_UP)
        work = (await _count(shop)).since(before, WARM_UP)
        _start_yardstick(stack)
        await _bare(shop, work, WARM_UP)
        alone = [await _accepted(shop) for _ in range(ALONE)]

        async def ours() -> float:
            return ORDERS / await _finished(shop, ORDERS)

        async def yardstick() -> float:
            with _asleep(stack.children["API"], stack.children["worker"]):
                return ORDERS / await _bare(shop, work, ORDERS)

        detail = {"orders": ORDERS, "each": work.as_json(), "seconds_to_accepted_alone_p50": _median(alone)}
        return await compare("orders", "orders/s", ours, yardstick, detail=detail)


def _median(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds), 3)


# -- The stack -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shop:
    """Whom to ask: our API, its database, Temporal and the vendor's sandbox."""

    api: httpx.AsyncClient
    database: psycopg.AsyncConnection[tuple[Any, ...]]
    temporal: Client
    vendor: httpx.AsyncClient
    members: Sequence[str]


@asynccontextmanager
async def _running() -> AsyncIterator[tuple[Stack, Shop]]:
    with TemporaryDirectory(prefix="laurel-bench-") as directory:
        # Not what the environment says: nobody's own servers are measured, or filled.
        settings = OwnSettings.model_construct(laurel_state_dir=_state(directory), laurel_port=_free_ports())
        stack = Stack(settings)
        stack.environment |= LIFTED
        try:
            await asyncio.to_thread(stack.start)
            async with _shop(stack) as shop:
                yield stack, shop
        finally:
            await asyncio.to_thread(stack.stop)


def _state(directory: str) -> Path:
    """A directory that the user whom PostgreSQL runs as can reach."""
    Path(directory).chmod(0o711)
    return Path(directory) / "state"


def _free_ports() -> int:
    """The first of as many free ports in a row as a stack needs."""
    while True:
        first = free_port()
        if first + len(Ports(first).names()) < 2**16 and not any(map(is_taken, Ports(first).names())):
            return first


@asynccontextmanager
async def _shop(stack: Stack) -> AsyncIterator[Shop]:
    settings = stack.settings()
    sandbox = f"http://127.0.0.1:{stack.ports.tremendous}"
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with (
        httpx.AsyncClient(base_url=sandbox, headers={"authorization": f"Bearer {VENDOR_KEY}"}) as vendor,
        httpx.AsyncClient(base_url=settings.laurel_public_url, limits=limits, timeout=PATIENCE_SECONDS) as api,
        await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as database,
    ):
        api.headers["authorization"] = f"Bearer {await _make_program(settings, vendor)}"
        temporal = await Client.connect(settings.temporal_address)
        yield Shop(api, database, temporal, vendor, await _make_members(api))


async def _make_program(settings: Settings, vendor: httpx.AsyncClient) -> str:
    """Its key; its vendor is the sandbox, which sends its notices to it."""
    database, keyring = Database(settings.database_url, pool_size=1), Keyring.from_setting(settings.laurel_secret_keys)
    registered = await vendor.post("/api/v2/webhooks", json={"url": settings.laurel_public_url})
    secrets = {"api_key": VENDOR_KEY, "webhook_key": registered.json()["webhook"]["private_key"]}
    config, now = {"base_url": f"{vendor.base_url}/api/v2/"}, datetime.now(UTC)
    async with database.begin() as session:
        program = await programs.insert(session, name="Bench", kind=ProgramKind.SANDBOX, now=now)
        _, key = await api_keys.insert(session, program, name="bench", scopes={Scope.PROGRAMS_ADMIN}, now=now)
        definitions = read_definitions(CONFIGURATION, [])
        await configurations.apply(session, program.id, definitions, applied_by="bench", applied_at=now)
        connection = await connections.insert(
            session, keyring, program, kind="tremendous", name="tremendous", config=config, secrets=secrets, now=now
        )
    await database.dispose()
    url = f"{settings.laurel_public_url}/intake/{connection.id}"
    (await vendor.post("/api/v2/webhooks", json={"url": url})).raise_for_status()
    return key


async def _make_members(api: httpx.AsyncClient) -> list[str]:
    """The ids of members who can pay for all that is to come."""
    names = [f"member-{number}" for number in range(MEMBERS)]
    people = [
        {
            "external_id": name,
            "name": "Ada",
            "email": f"{name}@example.com",
            "country": "US",
            "identities": [{"source": "crm", "external_id": name}],
        }
        for name in names
    ]
    made = (await api.post("/v1/members/batch", json={"members": people})).raise_for_status().json()
    deals = [
        {
            "source": "crm",
            "external_id": f"deal-{name}",
            "type": "deal.won",
            "member": {"source": "crm", "external_id": name},
            "occurred_at": datetime.now(UTC).isoformat(),
            "data": {},
        }
        for name in names
    ]
    (await api.post("/v1/events/batch", json={"events": deals})).raise_for_status()
    return [result["id"] for result in made["results"]]


# -- Ours ----------------------------------------------------------------------------------------------------------


async def _finished(shop: Shop, count: int) -> float:
    """Seconds from the first request until the last of so many orders is delivered."""
    target = await _in_state(shop, "{delivered}") + count
    began = time.perf_counter()
    await _all_at_once(count, lambda number: _order(shop, number))
    await _until(lambda: _reached(shop, "{delivered}", target))
    return time.perf_counter() - began


async def _accepted(shop: Shop) -> float:
    """Seconds from the request of one order, while nothing else happens, until the vendor has accepted it."""
    accepted = "{accepted,sent,delivered}"
    target = await _in_state(shop, accepted) + 1
    began = time.perf_counter()
    await _order(shop, 0)
    await _until(lambda: _reached(shop, accepted, target), ALONE_POLL_SECONDS)
    seconds = time.perf_counter() - began
    await _until(lambda: _reached(shop, "{delivered}", target))
    return seconds


async def _order(shop: Shop, number: int) -> None:
    body = {"member_id": shop.members[number % MEMBERS], "item": "coffee", "value_minor": 500}
    (await shop.api.post("/v1/orders", json=body)).raise_for_status()


async def _in_state(shop: Shop, states: str) -> int:
    cursor = await shop.database.execute("SELECT count(*) FROM orders WHERE state = ANY(%s)", [states])
    [[count]] = await cursor.fetchall()
    return int(count)


async def _reached(shop: Shop, states: str, target: int) -> bool:
    return await _in_state(shop, states) >= target


# -- What ours does, and the yardstick that does as much -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """Activities, timers and calls by route: in all, or for each order."""

    activities: int
    timers: int
    calls: dict[str, int]

    def since(self, before: "Work", orders: int) -> "Work":
        """What was done for each order since then, to the nearest whole number."""
        calls = {route: round((count - before.calls.get(route, 0)) / orders) for route, count in self.calls.items()}
        return Work(
            round((self.activities - before.activities) / orders),
            round((self.timers - before.timers) / orders),
            {route: count for route, count in calls.items() if count},
        )

    def as_json(self) -> dict[str, Any]:
        return {"activities": self.activities, "timers": self.timers, "calls": sum(self.calls.values())}

    def shape(self, order: str) -> Shape:
        """One call to an activity as long as there are activities; the order comes before what asks for it."""
        routes = [route for route in sorted(self.calls, key=_turn) for _ in range(self.calls[route])]
        alone = [(route,) for route in routes[: self.activities - 1]]
        rest = tuple(routes[self.activities - 1 :])
        without = [()] * (self.activities - 1 - len(alone))
        return Shape(order, (*alone, rest, *without), self.timers, DELIVERY_SECONDS)


def _turn(route: str) -> int:
    return 1 if route == bare.PLACE else 2 if "{id}" in route else 0


async def _count(shop: Shop) -> Work:
    """All that was done for orders so far."""
    counts = {EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: 0, EventType.EVENT_TYPE_TIMER_STARTED: 0}
    async for execution in shop.temporal.list_workflows("WorkflowType = 'OrderWorkflow'"):
        handle = shop.temporal.get_workflow_handle(execution.id, run_id=execution.run_id)
        async for event in handle.fetch_history_events():
            if event.event_type in counts:
                counts[event.event_type] += 1
    scheduled, timers = counts.values()
    alone = (await shop.temporal.count_activities("ActivityType = 'fetch_object'")).count
    calls = (await shop.vendor.get("/_control/calls")).json()["calls"]
    return Work(scheduled + alone, timers, calls)


def _start_yardstick(stack: Stack) -> None:
    """Its worker, and a sandbox of its own, whose cards nobody tells us about."""
    port, logs = free_port(), stack.directory / "logs"
    url = f"http://127.0.0.1:{port}"
    sandbox = [sys.executable, "-m", "sandbox.tremendous", "--port", str(port)]
    sandbox += ["--data", str(stack.directory / "yardstick.db")]
    stack.run(Program("yardstick's sandbox", sandbox, logs / "yardstick-sandbox.log", partial(responds, url)))
    worker = [sys.executable, "-m", "bench.bare", "--temporal", stack.settings().temporal_address]
    worker += ["--vendor", f"{url}/api/v2", "--key", VENDOR_KEY]
    stack.run(Program("yardstick", worker, logs / "yardstick.log", ready=lambda: True))


@contextmanager
def _asleep(*children: Child) -> Iterator[None]:
    """Processes that poll take nothing from what is measured meanwhile."""
    processes = [psutil.Process(child.pid) for child in children]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def _bare(shop: Shop, work: Work, count: int) -> float:
    """Seconds from the first start until the last of so many bare workflows has ended."""
    run = time.time_ns()
    target = await _ended(shop) + count

    async def start(number: int) -> None:
        name = f"bare-{run}-{number}"
        await shop.temporal.start_workflow(BareWorkflow.run, work.shape(name), id=name, task_queue=bare.QUEUE)

    async def all_ended() -> bool:
        return await _ended(shop) >= target

    began = time.perf_counter()
    await _all_at_once(count, start)
    await _until(all_ended)
    return time.perf_counter() - began


async def _ended(shop: Shop) -> int:
    ended = await shop.temporal.count_workflows("WorkflowType = 'BareWorkflow' AND ExecutionStatus = 'Completed'")
    return ended.count


# -- Common to both ------------------------------------------------------------------------------------------------


async def _all_at_once(count: int, step: Callable[[int], Awaitable[None]]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with turns:
            await step(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(number))


async def _until(is_so: Callable[[], Awaitable[bool]], poll_seconds: float = POLL_SECONDS) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await is_so():  # noqa: ASYNC110 - it happens in other processes
            await asyncio.sleep(poll_seconds)
