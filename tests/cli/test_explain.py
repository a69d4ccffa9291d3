"""`laurel explain`, read by a person and by a script."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from cli.errors import CommandFailed
from domain.commands import Earn
from domain.events import Event, Identity
from domain.outcomes import Outcome
from storage import challenge_commands, commands, intake
from storage.database import Database
from storage.tables import crossings
from tests.challenges import sprint
from tests.cli.conftest import Laurel
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program, retraction
from tests.storage.test_intake import POLICY


@pytest.fixture
def event_id(database_url: str) -> str:
    """A big deal of Ada's, the third of her month."""
    outcomes = asyncio.run(_take(database_url, [deal(n, amount_minor=12_000_00) for n in range(3)]))
    return outcomes[-1].event_id or ""


async def _take(database_url: str, events: list[Event], body: dict[str, Any] = SAMPLE) -> list[Outcome]:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session, body)
        await make_member(session, program_id, "ada")
        outcomes = await intake.record(session, program_id, events, POLICY, as_of=NOW) if events else []
    await database.dispose()
    return outcomes


def test_a_person_reads_each_rule_with_its_reason(laurel: Laurel, event_id: str) -> None:
    told = laurel("explain", event_id)

    assert told.exit_code == 0
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert lines[0].startswith(f"{event_id} deal.won of mem_")
    assert "crm deal-2, as crm:ada" in lines
    assert "It earned 150 points." in lines
    assert "Decision 1 (award), +150 points, configuration 1, engine 1, member version 1" in lines
    assert "event   amount_minor = 1200000, currency = EUR" in lines
    assert "totals  deals_this_month = 3" in lines
    assert "✓ big-deal (version 1): 0 points" in lines
    assert "double(event.amount_minor) * 0.0001 = 120.0" in lines
    assert "cap per day (150 points, 150 used): 120 becomes 0" in lines
    assert "✓ third-deal (version 1): 100 points" in lines
    assert "expires after 30 days" in lines
    assert any(line.startswith("ledger") and "earn 150 points" in line for line in lines)


def test_a_person_reads_why_a_rule_did_not_match(laurel: Laurel, database_url: str) -> None:
    [outcome] = asyncio.run(_take(database_url, [deal(1)]))

    lines = [line.strip() for line in laurel("explain", outcome.event_id or "").stdout.splitlines()]

    assert "✗ big-deal (version 1): not so: is big" in lines
    assert "event.amount_minor >= 1000000" in lines


def test_a_retraction_is_told_with_what_it_took_back(laurel: Laurel, database_url: str) -> None:
    [taken, back] = asyncio.run(_take(database_url, [deal(1), retraction(deal(1))]))

    of_original, of_retraction = (laurel("explain", one.event_id or "").stdout for one in (taken, back))

    assert f"It was taken back by {back.event_id} and earns nothing." in of_original
    assert "reverse 50 points, reverses txn_" in of_original
    assert f"It takes back {taken.event_id} and with it 50 points." in of_retraction
    assert "Decision 1 (retraction), -50 points" in of_retraction


def test_a_script_reads_one_json_value(laurel: Laurel, event_id: str) -> None:
    told: dict[str, Any] = orjson.loads(laurel("explain", event_id, "--json").stdout)

    [decision] = told["decisions"]
    big = next(rule for rule in decision["rules"] if rule["rule"] == "big-deal")
    assert told["event"]["id"] == event_id
    assert told["summary"] == "It earned 150 points."
    assert (big["raw"], big["points"], big["caps"][0]["bit"]) == (120.0, 0, True)
    assert datetime.fromisoformat(decision["recorded_at"]) == NOW.astimezone(UTC)


def test_an_event_that_is_not_there_is_said(laurel: Laurel, event_id: str) -> None:
    told = laurel("explain", "evt_none")

    assert isinstance(told.exception, CommandFailed)
    assert "nothing is known of evt_none" in str(told.exception)


def test_an_event_is_found_in_whichever_program_it_is(laurel: Laurel, event_id: str, database_url: str) -> None:
    asyncio.run(_take(database_url, [deal(1)]))

    assert laurel("explain", event_id).stdout.startswith(event_id)


# A rule of every kind.
RULES: dict[str, dict[str, Any]] = {
    "base": {"award": {"expression": "25.5"}, "budgets": [{"points": 60, "per": "month"}]},
    "more": {"award": {"expression": "10"}},
    "twice": {"multiplier": "2"},
    "weekend": {"multiplier": "1.5"},
    "small-gift": {"group": "gifts", "award": {"expression": "3"}},
    "large-gift": {"group": "gifts", "award": {"expression": "7"}},
    "resting": {"audience": "member.status == 'on_leave'", "award": {"expression": "1"}},
    "tried": {"state": "shadow", "award": {"expression": "99"}},
    "draft": {"state": "draft", "award": {"expression": "1"}},
    "old": {"state": "retired", "award": {"expression": "1"}},
}
GAME: dict[str, Any] = {
    **SAMPLE,
    "milestones": {},
    "groups": {
        "default": {"ceiling": "2.5", "rounding": "half_up", "caps": [{"per": "day", "points": 80}]},
        "gifts": {"stacking": "best"},
    },
    "rules": {key: {"event_type": "deal.won", **rule} for key, rule in RULES.items()},
}


def test_a_person_reads_what_groups_budgets_and_states_made_of_it(laurel: Laurel, database_url: str) -> None:
    [outcome] = asyncio.run(_take(database_url, [deal(1)], GAME))

    told = [line.strip() for line in laurel("explain", outcome.event_id or "").stdout.splitlines()]

    begin = told.index("event   amount_minor = 10000, currency = EUR") + 1
    assert told[begin : told.index("", begin)] == [
        "✓ base (version 1): 60 points",
        "group default multiplies 1 by 2 (twice) and 1.5 (weekend), at most 2.5: 2.5",
        "25.5 times 2.5, half_up gives 64",
        "budget of all members per month (60 points, 0 used): 64 becomes 60",
        "cap of group default per day (80 points, 0 used)",
        "✗ draft (version 1): a draft is not judged",
        "✓ large-gift (version 1): 7 points",
        "✓ more (version 1): 20 points",
        "group default multiplies 1 by 2 (twice) and 1.5 (weekend), at most 2.5: 2.5",
        "10 times 2.5, half_up gives 25",
        "cap of group default per day (80 points, 60 used): 25 becomes 20",
        "✗ old (version 1): it is retired",
        "✗ resting (version 1): not in its audience",
        "member.status == 'on_leave'",
        "✓ small-gift (version 1): 0 points",
        "left out: group gifts pays only what comes to most",
        "~ tried (version 1): a shadow, would have paid 99 points",
        "✓ twice (version 1): multiplies by 2",
        "✓ weekend (version 1): multiplies by 1.5",
    ]


# -- A line of the ledger, a milestone, a reward -------------------------------------------------------------------


@pytest.fixture
def crossed(laurel: Laurel, database_url: str) -> dict[str, Any]:
    """The explanation of the deal by which Ada came to 500 points."""
    outcomes = asyncio.run(_take(database_url, [deal(n) for n in range(8)]))
    return dict(orjson.loads(laurel("explain", outcomes[-1].event_id or "", "--json").stdout))


def lines_of(laurel: Laurel, *asked: str) -> list[str]:
    """What a person is told who asks, line by line."""
    told = laurel("explain", *asked)
    assert told.exit_code == 0, told.exception
    return [line.strip() for line in told.stdout.splitlines()]


def test_an_event_is_explained_by_the_name_its_source_gave_it(laurel: Laurel, crossed: dict[str, Any]) -> None:
    assert lines_of(laurel, "crm:deal-7") == lines_of(laurel, crossed["event"]["id"])


def test_a_transaction_is_explained_by_what_it_came_from(laurel: Laurel, crossed: dict[str, Any]) -> None:
    [posting] = crossed["transactions"]

    told = lines_of(laurel, posting["id"])

    event = crossed["event"]
    assert told[0] == f"{posting['id']} earn, from the event {event['id']}"
    assert told[1].startswith("50 points from ")
    assert told[told.index("") + 1 :] == lines_of(laurel, event["id"])
    answer = orjson.loads(laurel("explain", posting["id"], "--json").stdout)
    assert (answer["event"]["summary"], answer["moves"][0]["amount"]) == ("It earned 50 points.", 50)


def test_a_crossing_is_explained_by_what_there_was_before_and_after(laurel: Laurel, crossed: dict[str, Any]) -> None:
    [crossing], event = crossed["crossings"], crossed["event"]

    told = lines_of(laurel, crossing["id"])

    assert told == [
        f"{crossing['id']} milestone every-500 (version 1, configuration 1) of {event['member_id']}",
        "crossed for the 1st time, at 500 lifetime points; standing",
        "450 before + 50 = 500 after, at least 500",
        f"by {event['id']}, 2026-03-04 12:00:00 UTC",
        f"booked in {crossed['transactions'][0]['id']}",
    ]


def test_a_reward_is_explained_by_its_crossing(laurel: Laurel, crossed: dict[str, Any]) -> None:
    [reward], [crossing] = crossed["rewards"], crossed["crossings"]

    told = lines_of(laurel, reward["id"])

    assert told[0] == f"{reward['id']} card of {crossed['event']['member_id']}, unlocked"
    assert told[1:] == lines_of(laurel, crossing["id"])
    answer = orjson.loads(laurel("explain", reward["id"], "--json").stdout)
    assert (answer["crossing"]["threshold"], answer["crossing"]["after"]) == (500, 500)


def test_a_reward_is_explained_by_its_rule(laurel: Laurel, database_url: str) -> None:
    survey = Event("app", "survey-1", "survey.submitted", Identity("crm", "ada"), NOW, {})
    [outcome] = asyncio.run(_take(database_url, [survey]))
    [reward] = orjson.loads(laurel("explain", outcome.event_id or "", "--json").stdout)["rewards"]

    told = lines_of(laurel, reward["id"])

    assert told[1] == f"given by rule survey (configuration 1) for {outcome.event_id}"


def test_a_milestone_that_a_command_reached_is_explained_by_the_ledger(laurel: Laurel, database_url: str) -> None:
    async def give() -> str:
        database = Database(database_url)
        async with database.begin() as session:
            program_id = await make_program(session)
            ada = await make_member(session, program_id, "ada")
            for number, amount in enumerate((490, 20)):
                at = NOW + timedelta(seconds=number)
                earning = Earn(
                    reference=f"gift-{number}",
                    actor="hr",
                    reason="thanks",
                    member_id=ada,
                    unit="points",
                    amount=amount,
                )
                await commands.execute(session, program_id, [earning], as_of=at)
            crossing_id = (await session.execute(select(crossings.c.id))).scalar_one()
        await database.dispose()
        return str(crossing_id)

    told = lines_of(laurel, asyncio.run(give()))

    assert told[2:4] == [
        "490 before + 20 = 510 after, at least 500",
        "by no event: a command or a merge, 2026-03-04 12:00:01 UTC",
    ]
    transaction = lines_of(laurel, told[4].removeprefix("booked in "))
    assert transaction[0].endswith("earn, from the command gift-1")
    assert transaction[1] == "ordered by hr: thanks"


# -- A member: why nothing, a streak, a rank -----------------------------------------------------------------------


def test_a_member_is_told_why_the_last_events_earned_what_they_did_or_nothing(
    laurel: Laurel, database_url: str
) -> None:
    taken = [course(n, occurred_at=NOW - timedelta(hours=1)) for n in range(3)]
    outcomes = asyncio.run(_take(database_url, taken))

    told = lines_of(laurel, "crm:ada")

    assert told[0].startswith("ada (mem_")
    assert told[0].endswith("): the last events, newest first:")
    begins = [told.index(f"{one.event_id} course.completed of {_member_id(told[0])}") for one in reversed(outcomes)]
    assert begins == sorted(begins)
    newest = told[begins[0] : begins[1]]
    assert "It earned nothing: caps let nothing through." in newest
    assert "cap per day (2 times, 2 used): 40 becomes 0" in newest
    assert told == lines_of(laurel, _member_id(told[0]))


def _member_id(title: str) -> str:
    return title.partition("(")[2].partition(")")[0]


def test_a_member_of_whom_no_event_is_known_is_told_so(laurel: Laurel, database_url: str) -> None:
    asyncio.run(_take(database_url, []))

    assert lines_of(laurel, "crm:ada")[0].endswith("no event is known, so nothing was earned")


def test_what_waits_for_somebody_who_is_not_known_is_told(laurel: Laurel, database_url: str) -> None:
    asyncio.run(_take(database_url, [deal(1, "bob")]))

    told = lines_of(laurel, "crm:bob")

    assert told[0] == "nobody is known as crm:bob; the last events that wait for them:"
    assert "It waits: no member is known as crm:bob." in told


def test_a_streak_is_explained_period_by_period(laurel: Laurel, database_url: str) -> None:
    game = SAMPLE | {"streaks": {"deals": {"cadence": "daily", "qualifying": [{"event_type": "deal.won"}]}}}
    asyncio.run(_take(database_url, [deal(1)], game))

    told = lines_of(laurel, "crm:ada", "--streak", "deals", "--at", "2026-03-04T13:00:00Z")

    assert told[0] == "deals: 1 in a row, 1 at most, active"
    assert any(line.startswith("2026-03-04  met       1 of 1, length 1  evt_") for line in told)
    assert told[-1].startswith("by version 1 of the policy, configuration 1, holidays of ")
    answer = laurel("explain", "crm:ada", "--streak", "deals", "--at", "2026-03-01", "--json").stdout
    assert orjson.loads(answer)["current_streak"] == 0
    assert "no streak swim" in str(laurel("explain", "crm:ada", "--streak", "swim").exception)


def test_a_rank_is_explained_by_points_ties_and_who_is_just_above(laurel: Laurel, database_url: str) -> None:
    async def win() -> tuple[str, str]:
        database = Database(database_url)
        async with database.begin() as session:
            program_id = await make_program(session)
            ada, bob = [await make_member(session, program_id, name) for name in ("ada", "bob")]
            for number, name in enumerate(("bob", "ada")):
                at = NOW + timedelta(seconds=number)
                await intake.record(session, program_id, [deal(number, name)], POLICY, as_of=at)
        await database.dispose()
        return ada, bob

    ada, bob = asyncio.run(win())

    told = lines_of(laurel, "crm:ada", "--rank", "company")

    assert told[:4] == [
        f"{ada} was number 2 of 2 on company, with 50 points.",
        "the last of them counted at 2026-03-04 12:00:01 UTC",
        "1 more had as many: whoever had them first stands higher",
        f"just above: bob ({bob}), with 50 points, the last at 2026-03-04 12:00:00 UTC",
    ]
    assert told[4].startswith("as of ")
    then = lines_of(laurel, "crm:ada", "--rank", "company", "--known-at", "2026-03-04T12:00:00Z")
    assert then[0] == f"{ada} had no place on company: nothing was earned that counted."
    assert then[1].endswith("as known at 2026-03-04 12:00:00 UTC")
    assert orjson.loads(laurel("explain", ada, "--rank", "company", "--json").stdout)["above"]["member_id"] == bob


# -- A challenge, and what cannot be explained ---------------------------------------------------------------------


def test_a_challenge_is_explained_by_who_came_in_which_order(laurel: Laurel, database_url: str) -> None:
    async def launch() -> list[str]:
        database = Database(database_url)
        async with database.begin() as session:
            program_id = await make_program(session)
            names = [f"member{number}" for number in range(3)]
            ids = [await make_member(session, program_id, name) for name in names]
            draft = await challenge_commands.create(
                session, program_id, "sprint", sprint(first=2), actor="a test", now=NOW
            )
            await challenge_commands.launch(
                session, program_id, draft.id, seen=draft.fingerprint, actor="a test", now=NOW
            )
            deals = [deal(number, name) for number, name in enumerate(names)]
            await intake.record(session, program_id, deals, POLICY, as_of=NOW)
        await database.dispose()
        return ids

    ids = asyncio.run(launch())

    told = lines_of(laurel, "--challenge", "sprint")

    assert told[1].endswith("; 2 places, given by arrival, for good")
    assert [line for line in told[2:] if not line.startswith("evt_")] == [
        f"1st: member0 ({ids[0]}), place 1, 50 points: it counts",
        f"2nd: member1 ({ids[1]}), place 2, 50 points: it counts",
        f"3rd: member2 ({ids[2]}), no place, 0 points: it came after the places were taken",
        f"The 2nd of 2 is member1 ({ids[1]}).",
    ]
    answer = orjson.loads(laurel("explain", "--challenge", "sprint", "--json").stdout)
    assert (answer["last_place"]["member_id"], len(answer["claims"])) == (ids[1], 3)
    assert lines_of(laurel, answer["id"]) == told


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ((), "name what to explain"),
        (("crm:ada", "--challenge", "sprint"), "name what to explain"),
        (("--challenge", "marathon"), "there is no challenge marathon"),
        (("crm:nobody",), "nothing is known of crm:nobody: no event and no member has this name"),
        (("ada", "--rank", "company"), "nothing is known of ada"),
        (("crm:ada", "--rank", "marathon"), "no board marathon"),
        (("crm:ada", "--rank", "company", "--streak", "deals"), "one at a time, are of a member"),
        (("evt_none", "--rank", "company"), "one at a time, are of a member"),
        (("txn_none",), "nothing is known of txn_none"),
        (("crs_none",), "nothing is known of crs_none"),
    ],
)
def test_what_cannot_be_explained_is_said(laurel: Laurel, event_id: str, asked: tuple[str, ...], why: str) -> None:
    refused = laurel("explain", *asked)

    assert isinstance(refused.exception, CommandFailed)
    assert why in str(refused.exception)
