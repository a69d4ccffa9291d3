"""Whatever the rows say is unfinished, Temporal works on."""

from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from domain.challenges import ChallengeEvent
from domain.nominations import Verdict
from relay.reconcile import Reconcile
from storage import challenges
from storage.database import Database
from tests.challenges import sprint, with_challenges
from tests.keeping import open_keeping
from tests.nominating import open_nominating
from tests.programs import make_program
from tests.relay.conftest import now
from tests.relay.rows import connection_of, insert_notice, insert_order, insert_program, insert_reward


async def test_missing_workflows_of_unfinished_rows_are_started(client: Client, db: Database) -> None:
    program_id = await insert_program(db)
    order_id, reward_id = await insert_order(db, program_id), await insert_reward(db, program_id, "offered")

    healed = await Reconcile(client, db, clock=now).heal()

    assert healed == 2
    order = await client.get_workflow_handle(f"order/{order_id}").describe()
    reward = await client.get_workflow_handle(f"reward/{reward_id}").describe()
    assert (order.workflow_type, order.task_queue) == ("OrderWorkflow", "laurel")
    assert (reward.workflow_type, reward.task_queue) == ("RewardWorkflow", "laurel")
    assert (await order.static_summary() or "").endswith(f", order {order_id}")
    assert (await reward.static_summary() or "").endswith(f", reward {reward_id}")


async def test_clocks_of_policies_in_force_and_open_grace_windows_are_started(client: Client, db: Database) -> None:
    keeping = await open_keeping(db)
    await keeping.learn(4, 3, 2)
    window = await keeping.window()
    later = Reconcile(client, db, clock=lambda: now() + timedelta(minutes=1))

    healed = [await later.heal(), await later.heal()]
    await client.get_workflow_handle(f"streaks/{keeping.program_id}/learning").terminate()
    await keeping.retire()
    gone = await Reconcile(client, db, clock=lambda: now() + timedelta(minutes=5)).heal()

    assert (healed, gone) == ([2, 0], 0)
    described = await client.get_workflow_handle(f"grace/{window}").describe()
    assert described.workflow_type == "GraceWindowWorkflow"
    assert (await described.static_summary() or "").endswith(f"window {window}")


async def test_challenges_that_are_neither_settled_nor_cancelled_are_started(client: Client, db: Database) -> None:
    async with db.begin() as session:
        program_id = await make_program(session, with_challenges(sprint=sprint(), other=sprint()))
        running, gone = [await challenges.find(session, program_id, key) for key in ("sprint", "other")]
        assert running is not None
        assert gone is not None
        await challenges.move(session, gone, ChallengeEvent.CANCEL, now=now())

    assert await Reconcile(client, db, clock=now).heal() == 1
    described = await client.get_workflow_handle(f"challenge/{running.id}").describe()
    assert described.workflow_type == "ChallengeWorkflow"


async def test_nominations_that_wait_are_started(client: Client, db: Database) -> None:
    company = await open_nominating(db)
    waiting, over = await company.nominate(), await company.nominate("mia")
    await company.decide(over, None, Verdict.DECLINED, comment="This was her job.")
    later = Reconcile(client, db, clock=lambda: now() + timedelta(minutes=1))

    assert [await later.heal(), await later.heal()] == [1, 0]
    described = await client.get_workflow_handle(f"nomination/{waiting}").describe()
    assert described.workflow_type == "NominationWorkflow"


async def test_what_runs_is_left_alone(client: Client, db: Database) -> None:
    order_id = await insert_order(db, await insert_program(db))
    reconcile = Reconcile(client, db, clock=now)
    await reconcile.heal()
    before = await client.get_workflow_handle(f"order/{order_id}").describe()

    healed = await reconcile.heal()

    after = await client.get_workflow_handle(f"order/{order_id}").describe()
    assert healed == 0
    assert after.run_id == before.run_id


async def test_finished_and_young_rows_are_left_alone(client: Client, db: Database) -> None:
    program_id = await insert_program(db)
    for state in ("delivered", "refunded", "failed"):
        await insert_order(db, program_id, state)
    for state in ("declined", "expired", "withdrawn"):
        await insert_reward(db, program_id, state)
    await insert_order(db, program_id, created_at=now())
    await insert_notice(db, program_id, "1", "handled")
    await insert_notice(db, program_id, "2", "ignored")

    assert await Reconcile(client, db, clock=now).heal() == 0


async def test_a_workflow_that_ended_before_its_row_is_started_again_after_a_while(
    client: Client, db: Database
) -> None:
    order_id = await insert_order(db, await insert_program(db))
    await Reconcile(client, db, clock=now).heal()
    handle = client.get_workflow_handle(f"order/{order_id}")
    before = await handle.describe()
    await handle.terminate()
    at_once = await Reconcile(client, db, clock=now).heal()

    later = await Reconcile(client, db, clock=lambda: now() + timedelta(minutes=2)).heal()

    after = await handle.describe()
    assert (at_once, later) == (0, 1)
    assert after.status is WorkflowExecutionStatus.RUNNING
    assert after.run_id != before.run_id


async def test_every_object_with_open_notices_is_fetched_once(client: Client, db: Database) -> None:
    program_id = await insert_program(db)
    for object_id in ("1", "1", "2"):
        await insert_notice(db, program_id, object_id)
    reconcile = Reconcile(client, db, clock=now)

    healed = [await reconcile.heal(), await reconcile.heal()]

    fetch = await client.get_activity_handle(f"fetch/{connection_of(program_id)}/1").describe()
    assert healed == [2, 0]
    assert (fetch.activity_type, fetch.task_queue) == ("fetch_object", "laurel-hubspot")


async def test_more_rows_than_one_page_are_all_started(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.reconcile.PAGE_ROWS", 2)
    monkeypatch.setattr("relay.reconcile.PAGE_SECONDS", 0)
    program_id = await insert_program(db)
    for object_id in ("1", "2", "3", "4", "5"):
        await insert_order(db, program_id)
        await insert_notice(db, program_id, object_id)

    assert await Reconcile(client, db, clock=now).heal() == 10
