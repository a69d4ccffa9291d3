"""Commands to the ledger over HTTP: each route, several at once, their answers and refusals."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.scopes import Scope
from storage.tables import members
from tests.api.conftest import Client, MakeClient
from tests.programs import make_member
from tests.storage.test_commands import UNITS


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(body=UNITS)


@pytest.fixture
async def ada(client: Client, engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        query = select(members.c.id).where(members.c.program_id == client.program_id)
        return str((await connection.execute(query)).scalar_one())


async def done(client: Client, path: str, reference: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, {"reference": reference, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_value_is_granted_held_and_spent(client: Client, ada: str):
    granted = await done(client, "/v1/earnings", "a", member_id=ada, amount=100)
    held = await done(client, "/v1/holds", "b", member_id=ada, amount=60)
    await done(client, f"/v1/holds/{held['hold_id']}/settle", "c", amount=45)
    await done(client, f"/v1/holds/{held['hold_id']}/release", "d")

    assert granted["balances"] == [{"member_id": ada, "unit": "points", "balance": 100}]
    hold = (await client.get(f"/v1/holds/{held['hold_id']}")).json()
    assert (hold["state"], hold["settled"], hold["released"]) == ("settled", 45, 15)
    balances = (await client.get(f"/v1/members/{ada}/balances")).json()["balances"]
    assert {one["unit"]: one["available"] for one in balances} == {"cashback": 0, "kudos": 0, "points": 55}
    [lot] = (await client.get(f"/v1/members/{ada}/lots")).json()["items"]
    assert (lot["granted"], lot["remaining"]) == (100, 55)


async def test_a_reference_is_answered_with_the_first_outcome_for_ever(client: Client, ada: str):
    first = await client.post("/v1/earnings", {"reference": "a", "member_id": ada, "amount": 100})
    again = await client.post("/v1/earnings", {"reference": "a", "member_id": ada, "amount": 100})
    other = await client.post("/v1/earnings", {"reference": "a", "member_id": ada, "amount": 7})

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json() == first.json() | {"status": "replayed"}
    assert other.json()["code"] == "duplicate_request"


async def test_what_laurel_calls_its_own_commands_is_refused(client: Client, ada: str):
    answer = await client.post("/v1/earnings", {"reference": "laurel:refill:kudos", "member_id": ada, "amount": 1})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_refusal_has_its_code_and_its_numbers(client: Client, ada: str):
    answer = await client.post("/v1/holds", {"reference": "a", "member_id": ada, "amount": 60}, Idempotency_Key="k")
    again = await client.post("/v1/holds", {"reference": "a", "member_id": ada, "amount": 60}, Idempotency_Key="k")

    assert answer.status_code == 409
    assert answer.json() | {"code": "insufficient_points", "available": 0, "needed": 60} == answer.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == answer.json()


async def test_promised_value_is_confirmed_or_cancelled(client: Client, ada: str):
    kept = await done(client, "/v1/earnings", "a", member_id=ada, amount=10, awaits_approval=True)
    gone = await done(client, "/v1/earnings", "b", member_id=ada, amount=5, available_at="2027-01-01T00:00:00Z")

    listed = (await client.get("/v1/pendings", member_id=ada)).json()["items"]
    await done(client, f"/v1/pendings/{kept['pending_id']}/confirm", "c")
    await done(client, f"/v1/pendings/{gone['pending_id']}/cancel", "d")

    assert [one["amount"] for one in listed] == [5, 10]
    assert (await client.get(f"/v1/members/{ada}/balance")).json()["available"] == 10


async def test_value_is_moved_changed_turned_round_and_its_account_closed(client: Client, ada: str):
    granted = await done(client, "/v1/earnings", "a", member_id=ada, amount=100)
    await done(client, "/v1/conversions", "b", member_id=ada, conversion="to-cashback", amount=40)
    await done(client, "/v1/reversals", "c", transaction_id=granted["transaction_id"], amount=60)
    await done(client, "/v1/accounts/close", "d", member_id=ada, unit="kudos")

    self = {"reference": "e", "from_member_id": ada, "to_member_id": ada, "amount": 1}
    assert (await client.post("/v1/transfers", self)).json()["code"] == "self_transfer"


async def test_several_commands_have_a_result_each(client: Client, ada: str):
    earn = {"kind": "earn", "reference": "a", "member_id": ada, "amount": 100}
    body = {"commands": [earn, {**earn, "kind": "hold", "reference": "b", "amount": 101}, earn]}

    answer = await client.post("/v1/ledger/commands", body)

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [201, 409, 200]
    assert results[1]["problem"]["code"] == "insufficient_points"


async def test_a_large_adjustment_takes_a_second_key(client: Client, ada: str, make_client: MakeClient):
    wanted = {"reference": "hr-1", "member_id": ada, "amount": 5_000, "reason": "a mistake"}
    other = await make_client(Scope.ADJUSTMENTS_APPROVE, program_id=client.program_id)

    proposed = await client.post("/v1/adjustments", wanted)
    path = f"/v1/adjustments/{proposed.json()['id']}"
    alone = await client.post(f"{path}/approve")
    approved = await other.post(f"{path}/approve")
    rejected = await other.post(f"{path}/reject")

    assert (proposed.status_code, proposed.json()["state"]) == (202, "proposed")
    assert alone.json()["code"] == "needs_second_person"
    assert approved.json()["state"] == "approved"
    assert rejected.json()["code"] == "adjustment_not_open"
    assert (await client.get(path)).json() == approved.json()
    assert (await client.get("/v1/adjustments", state="approved")).json()["items"] == [approved.json()]
    small = await client.post("/v1/adjustments", {**wanted, "reference": "hr-2", "amount": -5})
    assert (small.status_code, small.json()["state"]) == (201, "posted")


async def test_nothing_is_adjusted_by_nothing(client: Client, ada: str):
    answer = await client.post("/v1/adjustments", {"reference": "a", "member_id": ada, "amount": 0, "reason": "x"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_reading_and_ordering_take_different_scopes(make_client: MakeClient, ada: str):
    reader, writer = await make_client(Scope.LEDGER_READ), await make_client(Scope.LEDGER_WRITE)

    assert (await reader.get("/v1/holds")).status_code == 200
    assert (await reader.post("/v1/ledger/commands", {})).status_code == 403
    assert (await writer.get("/v1/holds")).status_code == 403


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (Scope.EARNINGS_WRITE, "/v1/earnings"),
        (Scope.ADJUSTMENTS_WRITE, "/v1/adjustments"),
        (Scope.HOLDS_WRITE, "/v1/holds"),
        (Scope.TRANSFERS_WRITE, "/v1/transfers"),
        (Scope.CONVERSIONS_WRITE, "/v1/conversions"),
        (Scope.REVERSALS_WRITE, "/v1/reversals"),
    ],
)
async def test_a_key_for_one_operation_does_no_other(make_client: MakeClient, scope: Scope, path: str):
    """Who may spend what a member has must not be able to grant it."""
    paths = ["/v1/earnings", "/v1/adjustments", "/v1/holds", "/v1/transfers", "/v1/conversions", "/v1/reversals",
             "/v1/ledger/commands", "/v1/accounts/close", "/v1/expiry/runs"]  # fmt: skip
    narrow = await make_client(scope)

    open_ = [one for one in paths if (await narrow.post(one, {})).status_code != 403]

    assert open_ == [path]


async def test_two_members_become_one_and_two_again(client: Client, ada: str, engine: AsyncEngine):
    async with AsyncSession(engine) as session, session.begin():
        ben = await make_member(session, client.program_id, "ben")
    await done(client, "/v1/earnings", "a", member_id=ada, amount=100)

    merged = await client.post(f"/v1/members/{ada}/merge", {"into_member_id": ben, "reason": "hired twice"})
    again = await client.post(f"/v1/members/{ada}/merge", {"into_member_id": ben, "reason": "hired twice"})
    held = await done(client, "/v1/holds", "b", member_id=ada, amount=30)
    undone = await client.post(f"/v1/merges/{merged.json()['id']}/undo", {"reason": "namesakes"})

    assert (merged.status_code, again.json()) == (200, merged.json())
    assert (await client.get("/v1/merges")).json()["items"] == [undone.json(), merged.json()]
    first = (await client.get("/v1/merges", member_id=ben, limit=1)).json()
    assert first["items"] == [undone.json()]
    rest = (await client.get("/v1/merges", member_id=ben, limit=1, cursor=first["next_cursor"])).json()
    assert rest == {"items": [merged.json()]}
    assert held["balances"] == [{"member_id": ben, "unit": "points", "balance": 70}]
    assert undone.json()["undoes"] == merged.json()["id"]
    assert (await client.get(f"/v1/members/{ada}/balance")).json()["available"] == 70
    refused = await client.post(f"/v1/members/{ada}/merge", {"into_member_id": ada, "reason": "x"})
    assert refused.json()["code"] == "self_merge"
