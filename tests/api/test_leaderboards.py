"""Boards and notifications over HTTP."""

from datetime import date

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.app import create_app
from domain.sentences import alone
from settings import Settings
from storage import board_builds, board_snapshots, leaderboards, notifications, standings
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.api.test_idempotency import started
from tests.programs import NOW, SAMPLE

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
        await board_builds.rebuild(session, redis, client.program_id, as_of=NOW)
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
    by_value = (await client.get("/v1/leaderboards/department", cohort="Sales")).json()
    assert by_value == {"items": places}
    assert (await client.get("/v1/leaderboards/galaxy")).status_code == 404
    assert (await client.get("/v1/leaderboards/department")).status_code == 404
    assert (await client.get("/v1/leaderboards/company:Sales")).status_code == 404
    assert (await client.get("/v1/leaderboards/%0Acompany")).status_code == 422


async def test_a_member_sees_five_above_and_five_below(client: Client, engine: AsyncEngine, redis: Redis) -> None:
    ids = await ranked(client, engine, redis)

    seen = (await client.get(f"/v1/members/{ids[4]}/leaderboard")).json()

    assert [place["member_id"] for place in seen["places"]] == ids[:9]
    assert (seen["cohort"], seen["percentile"]) == ([], 66)
    own = (await client.get(f"/v1/members/{ids[5]}/leaderboard", board="department")).json()
    assert [place["member_id"] for place in own["places"]] == ids[1:8:2]
    assert own["cohort"] == ["Sales"]
    assert (await client.get(f"/v1/members/{ids[4]}/leaderboard", board="galaxy")).status_code == 404


async def test_whoever_is_last_sees_those_above_and_no_number(
    client: Client, engine: AsyncEngine, redis: Redis
) -> None:
    ids = await ranked(client, engine, redis)

    seen = (await client.get(f"/v1/members/{ids[-1]}/leaderboard")).json()

    assert [place["member_id"] for place in seen["places"]] == ids[-6:]
    assert [place["rank"] for place in seen["places"]] == [None] * 6
    assert seen["percentile"] is None


async def test_boards_are_listed_with_those_that_every_program_has(make_client: MakeClient) -> None:
    client = await make_client(body=SAMPLE | {"boards": {"week": {"window": "week", "by": ["department", "country"]}}})

    boards = (await client.get("/v1/leaderboards")).json()["items"]

    assert [board["board"] for board in boards] == ["company", "department", "week"]
    assert (boards[2]["by"], boards[2]["window"], boards[2]["least_members"]) == (["department", "country"], "week", 5)


async def test_whoever_hides_has_no_place_and_keeps_the_points(
    client: Client, engine: AsyncEngine, redis: Redis
) -> None:
    ids = await ranked(client, engine, redis)
    path = f"/v1/members/{ids[0]}"
    before = (await client.get(f"{path}/balance")).json()

    hidden = await client.http.put(f"{path}/leaderboard", json={"shown": False})

    async with AsyncSession(engine) as session:
        on = await leaderboards.scheme(session, client.program_id, as_of=NOW)
        await leaderboards.write(redis, on, await standings.list_of(session, on, ids))
    assert hidden.json() == {"member_id": ids[0], "shown": False}
    assert (await client.get("/v1/leaderboards/company")).json()["items"][0]["member_id"] == ids[1]
    assert (await client.get(f"{path}/leaderboard")).json()["places"] == []
    assert (await client.get(f"{path}/balance")).json() == before


async def test_a_rank_of_the_past_is_told_as_it_was_and_as_it_was_known(
    client: Client, engine: AsyncEngine, redis: Redis
) -> None:
    ids = await ranked(client, engine, redis)

    now = (await client.get(f"/v1/members/{ids[1]}/leaderboard/rank", board="department")).json()
    before = (await client.get(f"/v1/members/{ids[1]}/leaderboard/rank", at="2026-01-01T00:00:00Z")).json()
    untold = (await client.get(f"/v1/members/{ids[1]}/leaderboard/rank", known_at="2026-03-01T00:00:00Z")).json()

    assert (now["rank"], now["members"], now["cohort"]) == (1, 7, ["Sales"])
    assert (before["rank"], before["points"], before["members"]) == (None, 0, 0)
    assert (untold["rank"], untold["points"], untold["known_at"]) == (None, 0, "2026-03-01T00:00:00Z")


async def test_a_settled_week_is_read_period_by_period_and_place_by_place(
    make_client: MakeClient, engine: AsyncEngine, redis: Redis
) -> None:
    client = await make_client(body=SAMPLE | {"boards": {"week": {"window": "week", "by": ["department"]}}})
    ids = await ranked(client, engine, redis)
    async with AsyncSession(engine) as session, session.begin():
        await board_snapshots.settle(session, client.program_id, "week", date(2026, 3, 2), as_of=NOW)

    [settled] = (await client.get("/v1/leaderboards/week/snapshots")).json()["items"]
    path = f"/v1/leaderboards/week/snapshots/{settled['first_day']}"
    first = (await client.get(path, cohort="Law", limit=5)).json()
    second = (await client.get(path, cohort="Law", cursor=first["next_cursor"])).json()

    assert (settled["window"], settled["first_day"], settled["places"]) == ("week", "2026-03-02", PEOPLE)
    assert [place["member_id"] for place in first["items"] + second["items"]] == ids[::2]
    assert [place["rank"] for place in second["items"]] == [6, 7, 8]


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
                subject=alone("Well done"),
                body=alone("You won a deal."),
                now=NOW,
            )
    (mine,) = (await client.get(f"/v1/members/{member_id}/notifications", unread=True)).json()["items"]

    read = await client.post(f"/v1/notifications/{mine['id']}/read")

    assert read.json() == mine | {"read_at": "2026-03-04T12:00:00Z"}
    assert (await client.get(f"/v1/members/{member_id}/notifications", unread=True)).json() == {"items": []}
    assert len((await client.get(f"/v1/members/{member_id}/notifications")).json()["items"]) == 1
    assert [one["reference"] for one in (await client.get("/v1/notifications")).json()["items"]] == ["two"]
