import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
import pytest
from temporalio.client import Client

from relay import namespaces, temporal
from settings import Settings
from storage import intake
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.eventually import eventually
from tests.programs import NOW, deal, make_member, make_program, retraction
from tests.shop import Shop, open_shop
from tests.storage.test_intake import POLICY
from workflows import starts

NOBODY = "127.0.0.1:1"
T = TypeVar("T")


@pytest.fixture(autouse=True)
def without_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOBODY)


def prepared(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` answers, run to its end on a database of its own."""

    async def run() -> T:
        database = Database(settings.database_url, pool_size=2)
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def told(laurel: Laurel, subject: str) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(laurel("story", subject, "--json").stdout)
    return answer


def lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(moment["teller"], moment["text"]) for moment in answer["moments"]]


async def _cross(database: Database) -> tuple[str, str]:
    """The deal that made Ada cross a milestone, taken back later, and Ada."""
    async with database.begin() as session:
        program_id = await make_program(session)
        ada = await make_member(session, program_id, "ada")
        deals = [deal(n, amount_minor=1_000_000_00) for n in range(3)]
        outcomes = await intake.record(session, program_id, deals, POLICY, as_of=NOW)
    async with database.begin() as session:
        await intake.record(session, program_id, [retraction(deals[2])], POLICY, as_of=NOW)
        return outcomes[2].event_id or "", ada


def test_an_events_story_goes_from_the_fact_over_the_ledger_to_the_reward(settings: Settings, laurel: Laurel) -> None:
    event_id, _ = prepared(settings, _cross)

    found = lines(told(laurel, event_id))

    assert found[0] == ("event", "deal.won from crm: deal-2, occurred 2026-03-04 11:00")
    assert ("decision", "award: +150 points (big-deal +0, deal-won +50, third-deal +100)") in found
    assert [text for teller, text in found if teller == "ledger"] == ["earn 150 points", "reverse 150 points"]
    assert [text for teller, text in found if teller == "event"][1] == (
        "deal.won from crm: deal-2/undo-1, occurred 2026-03-04 12:00"
    )


def test_a_members_story_has_all_events(settings: Settings, laurel: Laurel) -> None:
    _, ada = prepared(settings, _cross)

    events = [text for teller, text in lines(told(laurel, ada)) if teller == "event"]

    assert [text.split(": ")[1].split(",")[0] for text in events] == ["deal-0", "deal-1", "deal-2", "deal-2/undo-1"]


async def _order(database: Database) -> tuple[Shop, str]:
    shop = await open_shop(database)
    order = await shop.place(await shop.member(points=300), "lunch")
    return shop, order.id


@pytest.mark.parametrize("subject", ["{}", "order/{}"])
def test_an_orders_story_is_told_from_the_tables_alone_while_temporal_is_away(
    settings: Settings, laurel: Laurel, subject: str
) -> None:
    _, order_id = prepared(settings, _order)

    answer = told(laurel, subject.format(order_id))

    assert lines(answer) == [("ledger", "hold 250 points"), ("order", "place by key_test: now placed")]
    assert answer["workflows"] == []
    assert answer["missing"] == f"Temporal at {NOBODY} does not answer, so its part is missing"


def test_a_story_has_the_workflows_steps_and_a_link_to_them(
    settings: Settings, laurel: Laurel, monkeypatch: pytest.MonkeyPatch, temporal_client: Client
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", settings.temporal_address)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", settings.temporal_namespace)
    shop, order_id = prepared(settings, _order)

    async def start() -> None:
        client = await Client.connect(
            settings.temporal_address,
            namespace=settings.temporal_namespace,
            plugins=temporal_client.config()["plugins"],
        )
        await eventually(lambda: namespaces.prepare(client))
        await temporal.start(client, starts.order(shop.id, order_id))

    asyncio.run(start())

    answer = told(laurel, order_id)

    assert ("workflow", f"started: Order {order_id}") in lines(answer)
    [workflow] = answer["workflows"]
    assert (workflow["id"], workflow["status"]) == (f"order/{order_id}", "running")
    assert workflow["url"].startswith(
        f"http://127.0.0.1:8705/namespaces/{settings.temporal_namespace}/workflows/order%2F"
    )
    assert order_id in laurel("story", order_id).stdout


def test_what_nobody_knows_has_no_story(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")

    refused = laurel("story", "ord_none")

    assert "nothing is known of ord_none" in str(refused.exception)
