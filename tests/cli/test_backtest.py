"""`laurel backtest`: what another configuration would have given for a simulated quarter."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from cli.commands import app_for
from cli.embedded.postgres import APPLICATION
from cli.errors import CommandFailed
from cli.seed import CONFIGURATION
from tests.cli.conftest import Laurel
from tests.conftest import database_of_its_own, role_url
from tests.servers import Servers

LIVES = ("simulate", "--members", "15", "--months", "2", "--seed", "4")
WINDOW = ("--from", "2025-01-06", "--to", "2025-03-07")


@pytest.fixture(scope="module")
def database(servers: Servers, template: str) -> Iterator[str]:
    """Where a company has lived for two months; no test here changes what is in it."""
    with database_of_its_own(servers, template) as name:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DATABASE_URL", role_url(servers.postgres(), APPLICATION, name))
            done = CliRunner().invoke(app_for("simulate"), LIVES)
        assert done.exit_code == 0, done.output
        yield name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample's configuration with courses worth double."""
    copy = tmp_path / "config"
    shutil.copytree(CONFIGURATION, copy)
    rules = copy / "rules.yaml"
    text = rules.read_text()
    assert "award: {expression: 20}" in text
    rules.write_text(text.replace("award: {expression: 20}", "award: {expression: 40}"))
    return copy


def test_what_was_live_differs_in_nothing(laurel: Laurel) -> None:
    found = orjson.loads(laurel("backtest", *WINDOW, "--json").stdout)

    assert found["decisions"] > 50
    assert found["differing"] == found["gaining"] == found["losing"] == 0
    assert all(line["difference"] == 0 for line in found["units"])


def test_the_same_folder_differs_in_nothing_and_a_better_one_costs_more(laurel: Laurel, folder: Path) -> None:
    same = orjson.loads(laurel("backtest", str(CONFIGURATION), *WINDOW, "--json").stdout)
    better = orjson.loads(laurel("backtest", str(folder), *WINDOW, "--json").stdout)

    assert same["differing"] == 0
    courses = next(line for line in better["rules"] if line["key"] == "course-completed")
    assert courses["would"] == 2 * courses["given"] > 0
    assert better["units"][-1]["difference"] == courses["difference"]
    assert better["gaining"] > 0
    assert better["losing"] == 0
    assert better["winners"][0]["difference"] >= better["winners"][-1]["difference"] > 0
    assert {line["attribute"] for line in better["cohorts"]} == {"department", "country"}


def test_a_person_reads_what_it_costs_and_who_wins(laurel: Laurel, folder: Path) -> None:
    told = laurel("backtest", str(folder), *WINDOW, "--by", "role")

    assert told.exit_code == 0, told.output
    assert "decisions differ" in told.stdout
    assert "course-completed" in told.stdout
    assert "Winners" in told.stdout
    assert "Losers" not in told.stdout


def test_a_person_reads_who_would_climb_and_who_would_have_a_badge(laurel: Laurel, folder: Path) -> None:
    """The record has neither ladders nor badges."""
    (folder / "tiers.yaml").write_text("tiers: {status: {levels: [{key: bronze, at: 50}, {key: silver, at: 5000}]}}\n")
    (folder / "badges.yaml").write_text(
        "aggregates: {courses_ever: {event_type: course.completed, per: lifetime}}\n"
        "badges: {learner: {aggregate: courses_ever, at_least: 2}}\n"
    )

    found = orjson.loads(laurel("backtest", str(folder), *WINDOW, "--json").stdout)
    told = laurel("backtest", str(folder), *WINDOW).stdout

    [bronze] = [line for line in found["tiers"] if line["level"] == "bronze"]
    assert (bronze["given"], bronze["would"]) == (0, found["elsewhere"])
    assert found["levels"][0]["would"] == "bronze"
    assert [badge["given"] for badge in found["badges"]] == [0]
    assert found["badges"][0]["would"] >= len(found["badges"][0]["gaining"]) > 0
    assert "status: from none to bronze" in told
    assert "would have learner" in told


def test_nothing_is_written(laurel: Laurel, folder: Path) -> None:
    laurel("backtest", str(folder), *WINDOW)

    again = orjson.loads(laurel("backtest", *WINDOW, "--json").stdout)
    assert again["differing"] == 0


def test_a_window_has_a_beginning_before_its_end(laurel: Laurel) -> None:
    assert laurel("backtest", "--from", "2025-02-01", "--to", "2025-01-01").exit_code == 2


def test_a_folder_with_faults_is_refused(laurel: Laurel, folder: Path) -> None:
    (folder / "rules.yaml").write_text("rules: {broken: {event_type: nothing}}\n")

    refused = laurel("backtest", str(folder), *WINDOW)

    assert isinstance(refused.exception, CommandFailed)
