"""A deployment of a test's own: API and worker in processes of their own, a company in it, and its outside world."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from cli import seed
from cli.demo.outside import Api, HubSpotAccount, Json, LearningSystem, VendorAccount
from cli.embedded.processes import Child, Program
from cli.embedded.stack import responds
from cli.seed import SampleCompany, Sandboxes
from cli.work import now
from sandbox import bamboohr, hubspot, slack, tremendous
from settings import Settings
from storage import verification
from storage.database import Database
from tests.eventually import eventually
from tests.sandboxes import running
from tests.up import free_ports

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 20.0
# Each look is a request that costs the deployment something.
LOOK_SECONDS = 0.25
NAMES = ("database_url", "redis_url", "temporal_address", "temporal_namespace")


class Deployment:
    """Processes with these settings; what is still running at the end is stopped."""

    def __init__(self, settings: Settings) -> None:
        ports = free_ports()
        self.port, self._metrics_port = ports.api, ports.worker_metrics
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = settings.model_copy(update={"laurel_port": self.port, "laurel_public_url": self.url})
        self.children: list[Child] = []

    async def start_api(self) -> Child:
        """An API that answers."""
        return await self._start("api", ["api"], partial(responds, f"{self.url}/healthz"), {})

    async def start_worker(self, **environment: str) -> Child:
        """A worker that works; `environment` is set beside the deployment's."""
        ready = partial(responds, f"http://127.0.0.1:{self._metrics_port}/metrics")
        return await self._start("worker", ["worker"], ready, environment)

    def stop(self) -> None:
        """Nothing is left running."""
        for child in reversed(self.children):
            child.stop()

    def log(self, name: str) -> str:
        """What the processes of that name logged."""
        return (self.settings.laurel_state_dir / f"{name}.log").read_text()

    async def _start(self, name: str, module: list[str], ready: Callable[[], bool], more: dict[str, str]) -> Child:
        given = {one.upper(): str(getattr(self.settings, one)) for one in NAMES}
        environment = given | {
            "LAUREL_STATE_DIR": str(self.settings.laurel_state_dir),
            "LAUREL_PORT": str(self.port),
            "LAUREL_PUBLIC_URL": self.url,
            "WORKER_METRICS_PORT": str(self._metrics_port),
        }
        log = self.settings.laurel_state_dir / f"{name}.log"
        argv = [sys.executable, "-m", *module]
        program = Program(name, argv, log, ready, environment | more, directory=ROOT, stop_seconds=STOP_SECONDS)
        return await asyncio.to_thread(self._run, program)

    def _run(self, program: Program) -> Child:
        child = Child.start(program)
        self.children.append(child)
        return child


def kill(child: Child) -> None:
    """End it as a power cut does."""
    os.kill(child.pid, signal.SIGKILL)
    child.stop()


@contextmanager
def deployed(settings: Settings) -> Iterator[Deployment]:
    """A deployment without any process yet."""
    deployment = Deployment(settings)
    try:
        yield deployment
    finally:
        deployment.stop()


@dataclass(frozen=True, slots=True)
class Company:
    """The sample company somewhere, and all around it."""

    sample: SampleCompany
    members: dict[str, str]
    database: Database
    api: Api
    crm: HubSpotAccount
    lms: LearningSystem
    vendor: VendorAccount

    async def earn(self, email: str, external_id: str, amount_minor: int = 3_000_000) -> Json:
        """A deal won, told by the API; the outcome. A point for each hundred dollars: 300 as given."""
        found: Json = await self.api.call("POST", "/v1/events", self.deal(email, external_id, amount_minor))
        return found

    def deal(self, email: str, external_id: str, amount_minor: int = 3_000_000) -> Json:
        """A deal as the API takes it."""
        return {
            "source": "crm",
            "external_id": external_id,
            "type": "deal.won",
            "member": {"source": "email", "external_id": email},
            "occurred_at": now().isoformat(),
            "data": {"deal_id": external_id, "amount_minor": amount_minor, "currency": "USD"},
        }

    async def redeem(self, email: str, key: str = "first") -> Json:
        """A card over 10 dollars for 100 points."""
        body = {"member_id": self.members[email], "item": "coffee-us", "value_minor": 1_000}
        return await self.api.place_order(body, key)

    async def order_in(self, order_id: str, state: str) -> Json:
        """The order, once it is in this state."""

        async def look() -> Json:
            order = await self.api.order(order_id)
            assert order["state"] == state, order
            return order

        return await eventually(look, LOOK_SECONDS)

    async def orders_of(self, email: str, count: int) -> list[Json]:
        """The member's orders, oldest first, once there are this many and all of them are delivered."""

        async def look() -> list[Json]:
            orders = [one for one in await self.api.orders() if one["member_id"] == self.members[email]]
            assert [order["state"] for order in orders] == ["delivered"] * count
            return orders[::-1]

        return await eventually(look, LOOK_SECONDS)

    async def balance(self, email: str) -> tuple[int, int]:
        """What the member may spend, and what is held."""
        found = await self.api.balance(self.members[email])
        return found["available"], found["held"]

    async def cards(self) -> dict[str, int]:
        """How many cards the vendor has issued, by order."""
        cards = await self.vendor.cards()
        by_order: dict[str, int] = cards["by_external_id"]
        assert sum(by_order.values()) == cards["issued"]
        return by_order

    async def violations(self) -> int:
        """How much of the ledger is not as it must be."""
        async with self.database.snapshot() as session:
            return sum(check.violations for check in await verification.verify(session, self.sample.program_id))


@contextmanager
def sandboxes(**vendor: Any) -> Iterator[Sandboxes]:
    """Stand-ins for outside systems; `vendor` are settings of the Tremendous one."""
    with (
        running(hubspot.create_app()) as crm,
        running(tremendous.create_app(**vendor)) as gifts,
        running(bamboohr.create_app()) as people,
        running(slack.create_app()) as talk,
    ):
        yield Sandboxes(crm, gifts, people, talk)


@dataclass(frozen=True, slots=True)
class DeployedCompany(Company):
    """One in a deployment of its own."""

    deployment: Deployment


@asynccontextmanager
async def around(sample: SampleCompany, url: str, outside: Sandboxes, database: Database) -> AsyncIterator[Company]:
    """The company behind the API at this URL, with clients for it and for its outside world."""
    api, lms = Api(url, sample), LearningSystem(url, sample)
    crm, vendor = HubSpotAccount(outside), VendorAccount(outside)
    async with AsyncExitStack() as opened:
        for caller in (api, lms, crm, vendor):
            await opened.enter_async_context(aclosing(caller))
        members = {member["email"]: member["id"] for member in await api.members()}
        yield Company(sample, members, database, api, crm, lms, vendor)


@asynccontextmanager
async def company_in(deployment: Deployment) -> AsyncIterator[DeployedCompany]:
    """The sample company in the deployment, with sandboxes of its own; its API has been started."""
    database = Database(deployment.settings.database_url, pool_size=2)
    with sandboxes(delivery_seconds=0.1) as outside:
        sample = await seed.make_company(database, deployment.settings, outside, "Example")
        await seed.connect_sandboxes(deployment.settings, outside, sample)
        async with around(sample, deployment.url, outside, database) as it:
            yield DeployedCompany(**{one.name: getattr(it, one.name) for one in fields(it)}, deployment=deployment)
        await database.dispose()
