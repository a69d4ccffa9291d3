"""`laurel challenges`: what is done with one from the command line, and what is read of it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import Result

from cli.errors import CommandFailed
from domain.challenges import ChallengeEvent
from domain.events import SourcePolicy
from settings import Settings
from storage import challenge_commands, challenges, intake
from storage.database import Database
from tests.challenges import sprint, with_challenges
from tests.cli.conftest import Laurel
from tests.programs import NOW, deal, make_member, make_program
from tests.shop import now


@pytest.fixture
def drafted(settings: Settings) -> str:
    """A program with the draft of a challenge of two places, open from yesterday to the day after tomorrow."""

    async def make() -> str:
        database, at = Database(settings.database_url), now()
        window = {"starts_at": at - timedelta(days=1), "ends_at": at + timedelta(days=2)}
        said = sprint(first=2, **{name: moment.isoformat() for name, moment in window.items()})
        async with database.begin() as session:
            program_id = await make_program(session)
            for number in range(3):
                await make_member(session, program_id, f"member{number}")
            await challenge_commands.create(session, program_id, "sprint", said, actor="a test", now=at)
        await database.dispose()
        return program_id

    return asyncio.run(make())


def win(settings: Settings, program_id: str) -> None:
    """A deal of each member, in the order of their names."""

    async def record() -> None:
        database, at = Database(settings.database_url), now()
        deals = [deal(number, f"member{number}", occurred_at=at) for number in range(3)]
        await intake.record_batch(database, program_id, deals, SourcePolicy(), as_of=at)
        await database.dispose()

    asyncio.run(record())


def launch(laurel: Laurel, **seen: str) -> Result:
    """Launch the draft as it is, or as it was seen."""
    shown = orjson.loads(laurel("challenges", "show", "sprint").stdout)
    return laurel("challenges", "launch", "sprint", (shown | seen)["fingerprint"])


def test_a_draft_is_launched_by_whoever_has_read_it(laurel: Laurel, drafted: str) -> None:
    shown = orjson.loads(laurel("challenges", "show", "sprint").stdout)

    refused = launch(laurel, fingerprint="0" * 64)

    assert shown["says"]["bonus"] == "50"
    assert str(refused.exception) == "sprint was written anew by a test: read it again"
    assert launch(laurel).exit_code == 0


def test_a_draft_is_launched_and_its_places_can_be_looked_up(laurel: Laurel, settings: Settings, drafted: str) -> None:
    launched = launch(laurel)
    win(settings, drafted)

    claims = orjson.loads(laurel("challenges", "claims", "sprint", "--json").stdout)["items"]
    standings = laurel("challenges", "standings", "sprint")

    assert launched.stdout.startswith("Challenge sprint: The sprint is scheduled, until")
    assert [(one["number"], one["place"], one["state"]) for one in claims] == [
        (1, 1, "standing"),
        (2, 2, "standing"),
        (3, None, "beyond"),
    ]
    assert "completions" in standings.stdout
    assert "member0" in standings.stdout
    assert claims[0]["member_id"] not in standings.stdout
    explained = laurel("explain", claims[2]["event_id"]).stdout
    assert "challenge sprint (version 2) The sprint: the 2 places were taken; yours was the 3rd" in explained


def test_it_is_extended_and_cancelled_with_a_reason(laurel: Laurel, drafted: str) -> None:
    launch(laurel)
    later = (now() + timedelta(days=9)).replace(microsecond=0)

    extended = orjson.loads(laurel("challenges", "extend", "sprint", later.isoformat(), "--json").stdout)
    laurel("challenges", "cancel", "sprint", "--reason", "a mistake")

    assert extended["until"] == later.isoformat().replace("+00:00", "Z")
    assert "cancelled" in laurel("challenges", "list").stdout
    assert "a challenge that is cancelled cannot launch" in str(launch(laurel).exception)


def test_what_is_not_there_is_said(laurel: Laurel, drafted: str) -> None:
    assert "there is no challenge marathon" in str(laurel("challenges", "claims", "marathon").exception)


def close(settings: Settings, *keys: str) -> str:
    """A program that has these challenges by file, which have ended."""

    async def make() -> str:
        database = Database(settings.database_url)
        async with database.begin() as session:
            program_id = await make_program(session, with_challenges(**{key: sprint() for key in keys}))
            for key in keys:
                stored = await challenges.find(session, program_id, key)
                assert stored is not None
                for event in (ChallengeEvent.BEGIN, ChallengeEvent.END):
                    stored = await challenges.move(session, stored, event, now=NOW)
        await database.dispose()
        return program_id

    return asyncio.run(make())


@pytest.mark.parametrize("command", [("apply", "--yes"), ("apply", "--dry-run"), ("lint", "--program", "Acme")])
@pytest.mark.parametrize("change", [{"ends_at": (NOW + timedelta(days=9)).isoformat()}, {"first": 3}], ids=str)
def test_a_folder_that_changes_what_has_closed_is_refused_with_all_their_names(
    laurel: Laurel, settings: Settings, tmp_path: Path, command: tuple[str, ...], change: dict[str, Any]
) -> None:
    close(settings, "race", "sprint")
    other = sprint(**change)
    (tmp_path / "all.yaml").write_bytes(orjson.dumps(with_challenges(race=other, sprint=other) | {"rules": {}}))

    refused = laurel(command[0], str(tmp_path), *command[1:])

    assert isinstance(refused.exception, CommandFailed)
    assert str(refused.exception) == "; ".join(
        f"challenges.{key}: it is closed, and stays as it is" for key in ("race", "sprint")
    )
