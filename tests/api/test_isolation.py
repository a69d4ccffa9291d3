"""One program's key sees and changes nothing of another's: every route is called with the other program's ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.routes import ROUTERS
from domain.notifications import Telling
from domain.proposals import Proposal
from domain.rewards import RewardEvent
from domain.sentences import alone
from storage import notifications, programs, publishing, rewards
from storage.tables import metadata
from storage.tables import notifications as notification_rows
from storage.tables import rewards as reward_rows
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.api.test_openapi import OPERATIONS
from tests.challenges import sprint
from tests.programs import NOW, SAMPLE, definitions
from tests.storage.test_commands import UNITS

AWAY = {
    "source": "hr",
    "external_id": "theirs",
    "kind": "sick",
    "starts_on": "2026-03-02",
    "ends_on": "2026-03-03",
}
NOMINATIONS = {"nominations": {"beyond": {"title": "Beyond", "levels": [{"approver": "manager"}]}}}
STREAKS = {"streaks": {"daily-learning": {"cadence": "daily", "qualifying": [{"event_type": "course.completed"}]}}}
THANKS = {"recognition": {"thanks": {"unit": "kudos"}}}
BODIES: dict[str, Any] = {
    "record_event": deal(),
    "record_events": {"events": [deal()]},
    "write_member": {"external_id": "ada", "name": "Somebody else"},
    "write_members": {"members": [{"external_id": "ada", "name": "Somebody else"}]},
    "make_member_token": {"seconds": 60},
    "settle_hold": {"reference": "not ours"},
    "release_hold": {"reference": "not ours"},
    "confirm_pending": {"reference": "not ours"},
    "cancel_pending": {"reference": "not ours"},
    "write_absence": AWAY,
    "write_absences": {"absences": [{"source": "hr", "external_id": "theirs", "withdrawn": True}]},
    "undo_merge": {"reason": "why not"},
    "choose_reward": {"item": "mug"},
    "rewrite_challenge": sprint(),
    "launch_challenge": {"fingerprint": "0" * 64},
    "extend_challenge": {"ends_at": "2026-05-01T00:00:00Z"},
    "cancel_challenge": {"reason": "why not"},
    "approve_nomination": {},
    "decline_nomination": {"comment": "why not"},
    "withdraw_nomination": {},
    "resolve_order": {"action": "retry", "note": "why not"},
    "readdress_order": {"recipient_email": "thief@example.com"},
    "set_program": {
        "orders_paused": True,
        "daily_limit_minor": 1,
        "monthly_limit_minor": 1,
        "limit_currency": "EUR",
    },
    "set_shown": {"shown": False},
    "put_preferences": {"opted_out": ["rewards"]},
    "set_origins": {"origins": ["https://thief.example"]},
}
# Routes without an id in their path: they work on the caller's own program.
OWN = [operation for _, path, operation in OPERATIONS if path.startswith("/v1/") and "{" not in path]
NAMED = [(method, path) for method, path, _ in OPERATIONS if path.startswith("/v1/") and "{" in path]
LISTS = [path for method, path, operation in OPERATIONS if method == "get" and operation in OWN]

# Those whose answer takes more than rows: a stream has no end (tests/api/test_live.py reads them), and a proof needs a
# checkpoint (tests/api/test_proofs.py).
UNREAD = ("/stream", "/proof")

CHALLENGE_PAGES = ("", "/edit", "/live", "/standings", "/completions", "/preview", "/launch", "/extend", "/cancel")
MEMBER_PAGES = ("", "/absences", "/absences/{absence_id}/withdraw")
# Routes that OpenAPI does not tell, and where they are asked with what is another program's, if they show any program.
UNTOLD = {
    "/v1/members/{member_id}/balance/socket": "tests/api/test_sockets.py",
    "/codec/decode": "no program's key opens it: tests/api/test_codec.py",
    "/codec/encode": "no program's key opens it: tests/api/test_codec.py",
    "/codec/{direction}": "says only which origins may call",
    **dict.fromkeys(("/docs", "/docs/start.js", "/docs/{name}"), "the same files for everybody"),
    **dict.fromkeys(("/admin/review", "/admin/review/{name}"), "the same files for everybody"),
    **dict.fromkeys(("/points", "/points/{name}"), "the same files for everybody"),
    **dict.fromkeys(("/admin", "/admin/enter", "/admin/files/{name}"), "the same for everybody"),
    **dict.fromkeys(("/admin/leave", "/admin/members", "/admin/challenges"), "of the session's own program"),
    **dict.fromkeys(("/admin/challenges/new", "/admin/challenges/preview"), "of the session's own program"),
    "/admin/slack": "tests/api/admin/test_slack.py",
    "/slack/events": "of the workspace that signed: tests/api/slack/test_events.py",
    **dict.fromkeys(
        ("/slack/install", "/slack/oauth/callback"), "of the link's own program: tests/api/admin/test_slack.py"
    ),
    **dict.fromkeys(
        [f"/admin/challenges/{{challenge_id}}{end}" for end in CHALLENGE_PAGES],
        "tests/api/admin/test_challenges.py",
    ),
    **dict.fromkeys([f"/admin/members/{{member_id}}{end}" for end in MEMBER_PAGES], "tests/api/admin/test_people.py"),
}

LEAKS = (
    "proposal_id",
    "challenge_id",
    "nomination_id",
    "event_id",
    "member_id",
    "order_id",
    "reward_id",
    "notification_id",
    "recognition_id",
    "external_id",
)


@dataclass
class Theirs:
    """The other program, with one of everything that has an id."""

    client: Client
    ids: dict[str, str]


@pytest.fixture
async def theirs(make_client: MakeClient, engine: AsyncEngine) -> Theirs:
    client = await make_client(body=SAMPLE | UNITS | THANKS | STREAKS | NOMINATIONS)
    events = [deal(number, amount_minor=2_000_000) for number in range(12)]
    done = (await client.post("/v1/events/batch", {"events": events})).json()["results"]
    member_id = done[0]["event"]["member_id"]
    wanted = {"member_id": member_id, "item": "mug", "value_minor": 500}
    order = (await client.post("/v1/orders", wanted)).json()
    async with AsyncSession(engine) as session, session.begin():
        reward_id = (await session.execute(select(reward_rows.c.id).limit(1))).scalar_one()
        given = await rewards.lock(session, client.program_id, reward_id)
        definition = await rewards.get_definition(session, given)
        await rewards.offer(session, given, definition, RewardEvent.OFFER, now=NOW)
        telling = Telling(member_id, alone("s"), alone("b"), "r")
        await notifications.tell_all(session, client.program_id, "test", [telling], now=NOW)
        told = (await session.execute(select(notification_rows.c.id))).scalar_one()
        await programs.set_publishing(session, client.program_id, second_person=True)
        proposal = await publishing.submit(session, client.program_id, definitions(), actor="somebody", at=NOW)
        assert isinstance(proposal, Proposal)
    ids = {
        "proposal_id": proposal.id,
        "number": "1",
        "event_id": done[0]["event"]["id"],
        "member_id": member_id,
        "order_id": order["id"],
        "reward_id": reward_id,
        "notification_id": told,
        "source": "email",
        "external_id": "only-theirs@example.com",
        "board": "company",
        "first_day": "2026-03-02",
        "streak_type": "daily-learning",
        "challenge_id": (await client.post("/v1/challenges", {"key": "sprint", **sprint()})).json()["id"],
        **await in_ledger(client, member_id),
        "recognition_id": await thank(client, member_id),
    }
    await client.post("/v1/members", {"external_id": "ada", "name": "Ada", "email": ids["external_id"]})
    said = {"nominator_id": ids["member_id"], "category": "beyond", "reason": "She has won all these deals herself."}
    nominee = (await client.post("/v1/members", {"external_id": "cy", "name": "Cy"})).json()["id"]
    ids["nomination_id"] = (await client.post("/v1/nominations", {"nominee_id": nominee, **said})).json()["id"]
    absent = (await client.post(f"/v1/members/{member_id}/absences", AWAY)).json()
    ids["absence_id"] = absent["absence"]["id"]
    return Theirs(client, ids)


async def thank(client: Client, member_id: str) -> str:
    """A recognition that the member has received."""
    giver = (await client.post("/v1/members", {"external_id": "dot", "name": "Dot"})).json()["id"]
    kudos = {"reference": "kudos", "member_id": giver, "unit": "kudos", "amount": 5}
    await client.post("/v1/earnings", kudos)
    given = await client.post("/v1/recognitions", {"key": "k", "giver_id": giver, "receiver_ids": [member_id]})
    found: str = given.json()["recognitions"][0]["id"]
    return found


async def in_ledger(client: Client, member_id: str) -> dict[str, str]:
    """A transaction, a hold, a promise, an adjustment that waits for a second person, and a merge."""
    ben = (await client.post("/v1/members", {"external_id": "ben", "name": "Ben"})).json()["id"]
    wanted = {"member_id": member_id, "amount": 40}
    made = {
        "transaction": await client.post("/v1/earnings", {"reference": "a", **wanted}),
        "hold": await client.post("/v1/holds", {"reference": "b", **wanted}),
        "pending": await client.post("/v1/earnings", {"reference": "c", **wanted, "awaits_approval": True}),
        "adjustment": await client.post(
            "/v1/adjustments", {"reference": "d", "member_id": member_id, "amount": 5_000, "reason": "a mistake"}
        ),
        "merge": await client.post(f"/v1/members/{ben}/merge", {"into_member_id": member_id, "reason": "the same"}),
    }
    bodies = {name: answer.json() for name, answer in made.items()}
    return {f"{name}_id": body.get(f"{name}_id") or body["id"] for name, body in bodies.items()}


def commands(ids: Mapping[str, str]) -> dict[str, Any]:
    """By operation, what a stranger would send who knows these ids."""
    whom = {"reference": "not ours", "member_id": ids["member_id"]}
    earning = {**whom, "amount": 5}
    return {
        "place_order": {"member_id": ids["member_id"], "item": "mug", "value_minor": 500},
        "grant_earning": earning,
        "place_hold": earning,
        "transfer": {
            "reference": "not ours",
            "from_member_id": ids["member_id"],
            "to_member_id": ids["member_id"],
            "amount": 5,
        },
        "give_recognition": {"key": "k", "giver_id": ids["member_id"], "receiver_ids": [ids["member_id"]]},
        "convert": {**earning, "conversion": "to-cashback"},
        "reverse": {"reference": "not ours", "transaction_id": ids["transaction_id"]},
        "close_account": {**whom, "unit": "points"},
        "adjust": {**earning, "reason": "why not"},
        "merge_member": {"into_member_id": ids["member_id"], "reason": "why not"},
        "execute_commands": {"commands": [{"kind": "earn", **earning}]},
    }


async def rows_of(engine: AsyncEngine, program_id: str) -> dict[str, list[Any]]:
    """Everything that the database holds of a program."""
    async with engine.connect() as connection:
        return {
            table.name: sorted(
                map(repr, await connection.execute(select(table).where(table.c.program_id == program_id)))
            )
            for table in metadata.sorted_tables
        }


async def test_ids_of_another_program_lead_nowhere_and_nothing_there_changes(
    make_client: MakeClient, theirs: Theirs, engine: AsyncEngine
) -> None:
    """Every route that names something in its path answers 404, or an empty board."""
    ours = await make_client(body={"catalog": {}, "event_types": {}})
    before = await rows_of(engine, theirs.client.program_id)
    known = BODIES | commands(theirs.ids)
    bodies = {(method, path): known.get(operation["operationId"]) for method, path, operation in OPERATIONS}
    asked = {"transaction_id": theirs.ids["transaction_id"]}

    answers = {
        (method, path): await ours.http.request(
            method,
            path.format(**theirs.ids),
            json=bodies[method, path],
            params=asked if path.endswith("/proof") else None,
        )
        for method, path in NAMED
    }

    refused = {named for named, answer in answers.items() if answer.status_code == 404}
    boards = {named for named in NAMED if named[1].startswith("/v1/leaderboards/")}
    assert refused == set(NAMED) - boards
    assert all(answers[named].json() == {"items": []} for named in boards)
    assert await rows_of(engine, theirs.client.program_id) == before


async def test_the_same_requests_are_answered_to_their_own_program(theirs: Theirs) -> None:
    """Or the test above would prove nothing."""
    named = [path for method, path in NAMED if method == "get" and not path.endswith(UNREAD)]
    reads = [path.format(**theirs.ids) for path in named]

    answers = [await theirs.client.get(path) for path in reads]

    assert [answer.status_code for answer in answers] == [200] * len(reads)


async def test_lists_and_commands_without_an_id_work_on_the_callers_program_only(
    make_client: MakeClient, theirs: Theirs, engine: AsyncEngine
) -> None:
    ours = await make_client(body={"catalog": {}, "event_types": {}})
    own = {member["id"] for member in (await ours.get("/v1/members")).json()["items"]}
    before = await rows_of(engine, theirs.client.program_id)

    for path in LISTS:
        shown = (await ours.get(path)).text
        assert not [name for name in LEAKS if theirs.ids[name] in shown], path
    for method, path, operation in OPERATIONS:
        if operation in OWN and method != "get":
            body = (BODIES | commands(theirs.ids)).get(operation["operationId"])
            await ours.http.request(method, path, json=body)

    assert await rows_of(engine, theirs.client.program_id) == before
    now = {member["id"] for member in (await ours.get("/v1/members")).json()["items"]}
    assert now == own


async def test_a_member_may_be_named_alike_in_two_programs(make_client: MakeClient, theirs: Theirs) -> None:
    ours = await make_client()

    answer = await ours.post("/v1/events", deal())

    assert answer.status_code == 201
    assert answer.json()["member_id"] != theirs.ids["member_id"]


def test_every_route_is_asked_here_or_elsewhere() -> None:
    paths = {getattr(route, "path_format", "") for router in ROUTERS for route in router.routes}

    assert paths - {path for _, path, _ in OPERATIONS} == UNTOLD.keys()


def test_every_table_belongs_to_programs() -> None:
    assert [table.name for table in metadata.sorted_tables if "program_id" not in table.c] == []
