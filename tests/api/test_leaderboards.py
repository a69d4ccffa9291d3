"""Boards and notifications over HTTP."""

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.app import create_app
from settings import Settings
from storage import leaderboards, notifications
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.api.test_idempotency import started
from tests.programs import NOW

PEOPLE = 15


async def ranked(client: Client, engine: AsyncEngine, redis: Redis) -> list[str]:
    """Members of whom the first earned most; their ids in that order."""
    rows = [
        {
            "external_id": f"p{n:02}",
            "name": f"Person {n}",
            "department": "Sales" if n % 2 else "Law",
            "identities": [{"source": "crm", "external_id": f"p{n:02}"}],
        }
        for n in range(PEOPLE)
    ]
    made = (await client.post("/v1/members/batch", {"members": rows})).json()["results"]
    facts = [deal(100 * n + k, member=f"p{n:02}") for n in range(PEOPLE) for k in range(PEOPLE - n)]
    await client.post("/v1/events/batch", {"events": facts})
    async with AsyncSession(engine) as session:
        await leaderboards.rebuild(session, redis, client.program_id)
    return [one["id"] for one in made]


async def test_a_board_is_read_page_by_page(client: Client, engine: AsyncEngine, redis: Redis) -> None:
    ids = await ranked(client, engine, redis)

    first = (await client.get("/v1/leaderboards/company", limit=10)).json()
    second = (await client.get("/v1/leaderboards/company", limit=10, cursor=first["next_cursor"])).json()

    places = first["items"] + second["items"]
    assert [place["member_id"] for place in places] == ids
    assert [place["rank"] for place in places] == list(range(1, PEOPLE + 1))
    assert places[0]["name"] == "Person 0"
    assert "next_cursor" not in second


async def test_a_department_has_a_board_of_its_own(client: Client, engine: AsyncEngine, redis: Redis) -> None:
    ids = await ranked(client, engine, redis)

    places = (await client.get("/v1/leaderboards/department:Sales")).json()["items"]

    assert [place["member_id"] for place in places] == ids[1::2]
    assert (await client.get("/v1/leaderboards/department:Nobody")).json() == {"items": []}
    assert (await client.get("/v1/leaderboards/galaxy")).status_code == 422
    assert (await client.get("/v1/leaderboards/%0Acompany")).status_code == 422


async def test_a_member_sees_five_above_and_five_below(client: Client, engine: AsyncEngine, redis: Redis) -> None:
    ids = await ranked(client, engine, redis)

    seen = (await client.get(f"/v1/members/{ids[7]}/leaderboard")).json()

    assert [place["member_id"] for place in seen["places"]] == ids[2:13]
    own = (await client.get(f"/v1/members/{ids[7]}/leaderboard", board="department")).json()
    assert [place["member_id"] for place in own["places"]] == ids[1:15:2]


async def test_without_redis_boards_are_unavailable_and_events_are_not(settings: Settings, client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.key}"}
    lonely = create_app(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}), clock=lambda: NOW)

    async with started(lonely) as http:
        board = await http.get("/v1/leaderboards/company", headers=headers)
        event = await http.post("/v1/events", json=deal(), headers=headers)

    assert (board.status_code, board.json()["code"]) == (503, "leaderboards_unavailable")
    assert board.headers["retry-after"]
    assert event.status_code == 201


async def test_a_notification_is_read_once(client: Client, engine: AsyncEngine) -> None:
    member_id = (await client.post("/v1/events", deal())).json()["member_id"]
    async with AsyncSession(engine) as session, session.begin():
        for told, reference in ((member_id, "one"), (None, "two")):
            await notifications.tell(
                session,
                client.program_id,
                member_id=told,
                kind="test",
                reference=reference,
                subject="Well done",
                body="You won a deal.",
                now=NOW,
            )
    (mine,) = (await client.get(f"/v1/members/{member_id}/notifications", unread=True)).json()["items"]

    read = await client.post(f"/v1/notifications/{mine['id']}/read")

    assert read.json() == mine | {"read_at": "2026-03-04T12:00:00Z"}
    assert (await client.get(f"/v1/members/{member_id}/notifications", unread=True)).json() == {"items": []}
    assert len((await client.get(f"/v1/members/{member_id}/notifications")).json()["items"]) == 1
    assert [one["reference"] for one in (await client.get("/v1/notifications")).json()["items"]] == ["two"]
