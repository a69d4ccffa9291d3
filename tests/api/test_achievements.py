"""Tiers and badges over HTTP."""

from tests.api.conftest import MakeClient
from tests.api.facts import deal
from tests.programs import SAMPLE

GAME = SAMPLE | {
    "aggregates": {**SAMPLE["aggregates"], "deals": {"event_type": "deal.won", "per": "lifetime"}},
    "tiers": {"status": {"title": "Status", "levels": [{"key": "bronze", "at": 50}, {"key": "silver", "at": 500}]}},
    "badges": {"first": {"title": "First deal", "aggregate": "deals"}, "tenth": {"aggregate": "deals", "at_least": 10}},
}


async def test_a_member_reads_tiers_with_what_is_missing_and_how_they_came(make_client: MakeClient) -> None:
    client = await make_client(body=GAME)
    done = (await client.post("/v1/events", deal())).json()

    told = (await client.get(f"/v1/members/{done['member_id']}/tiers")).json()

    [tier], [change] = told["items"], told["changes"]
    assert (tier["ladder"], tier["tier"], tier["amount"], tier["next"], tier["missing"]) == (
        "status", "bronze", done["points"], "silver", 500 - done["points"]
    )  # fmt: skip
    assert [level["key"] for level in tier["levels"]] == ["bronze", "silver"]
    assert (change["tier"], change["before"], change["event_id"], change["silent"]) == (
        "bronze", None, done["id"], False
    )  # fmt: skip


async def test_badges_are_listed_of_a_member_and_of_the_program(make_client: MakeClient) -> None:
    client = await make_client(body=GAME)
    done = (await client.post("/v1/events", deal())).json()

    mine = (await client.get(f"/v1/members/{done['member_id']}/badges")).json()["items"]
    every = (await client.get("/v1/badges")).json()["items"]

    assert [(badge["badge"], badge["title"], badge["event_id"]) for badge in mine] == [
        ("first", "First deal", done["id"])
    ]
    assert [(badge["badge"], badge["members"]) for badge in every] == [("first", 1), ("tenth", 0)]
