"""/v1/configurations: who changed what, proposals that another key publishes, and the way back."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from storage import programs, publishing
from tests.api.conftest import Client, MakeClient
from tests.programs import NOW, SAMPLE, definitions

DEARER = SAMPLE | {"rules": SAMPLE["rules"] | {"deal-won": {"event_type": "deal.won", "award": {"expression": "60"}}}}


async def propose(engine: AsyncEngine, client: Client, actor: str = "ada") -> str:
    """What somebody proposes by a command; the id."""
    async with AsyncSession(engine) as session, session.begin():
        await programs.set_publishing(session, client.program_id, second_person=True)
        await publishing.submit(session, client.program_id, definitions(DEARER), actor=actor, at=NOW)
    [proposal] = (await client.get("/v1/configurations/proposals")).json()["items"]
    return str(proposal["id"])


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(body=SAMPLE)


async def test_a_proposal_is_read_and_published(client: Client, engine: AsyncEngine) -> None:
    path = f"/v1/configurations/proposals/{await propose(engine, client)}"

    proposed = (await client.get(path)).json()
    published = await client.post(f"{path}/publish")
    again = await client.post(f"{path}/publish")
    [second, _] = (await client.get("/v1/configurations")).json()["items"]

    assert proposed["state"] == "proposed"
    assert published.json() == proposed | {
        "state": "published",
        "published_as": 2,
        "decided_by": second["applied_by"],
        "decided_at": published.json()["decided_at"],
    }
    assert (second["number"], second["changes"]) == (2, proposed["changes"])
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


async def test_who_proposes_by_a_key_publishes_by_another(client: Client, engine: AsyncEngine) -> None:
    await propose(engine, client)
    [proposal] = (await client.get("/v1/configurations/proposals", state="proposed")).json()["items"]
    await client.post(f"/v1/configurations/proposals/{proposal['id']}/publish")

    back = await client.post("/v1/configurations/1/rollback")
    refused = await client.post(f"/v1/configurations/proposals/{back.json()['proposal']}/publish")

    assert (back.status_code, back.json()["active"]) == (202, 2)
    assert (refused.status_code, refused.json()["code"]) == (409, "needs_second_person")


async def test_a_proposal_is_withdrawn(client: Client, engine: AsyncEngine) -> None:
    proposal = await propose(engine, client)

    withdrawn = await client.post(f"/v1/configurations/proposals/{proposal}/withdraw")

    assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
    assert (await client.get("/v1/configurations/proposals", state="proposed")).json() == {"items": []}


async def test_a_rollback_is_active_at_once_where_one_person_is_enough(client: Client, engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session, session.begin():
        await publishing.submit(session, client.program_id, definitions(DEARER), actor="ada", at=NOW)

    back = await client.post("/v1/configurations/1/rollback")
    unknown = await client.post("/v1/configurations/9/rollback")
    unthinkable = await client.post(f"/v1/configurations/{2**31}/rollback")

    assert (back.status_code, back.json()["active"], back.json()["proposal"]) == (200, 3, None)
    assert back.json()["changes"][0]["fields"] == [{"field": "award.expression", "before": "60", "after": "50"}]
    assert (unknown.status_code, unthinkable.status_code) == (404, 422)
