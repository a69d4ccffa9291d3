"""`laurel simulate`: a company that lives through months while a person waits."""

import orjson
import pytest

from cli.errors import CommandFailed
from tests.cli.conftest import Laurel

SMALL = ("simulate", "--members", "8", "--months", "1", "--seed", "5")


def test_the_sample_configuration_lives_twice_with_one_ledger(laurel: Laurel) -> None:
    first = orjson.loads(laurel(*SMALL, "--program", "One", "--json").stdout)
    second = orjson.loads(laurel(*SMALL, "--program", "Two", "--json").stdout)

    assert first["program_id"] != second["program_id"]
    assert first["ledger"] == second["ledger"]
    assert first["told"] == second["told"]
    assert first["told"]["event deal.won recorded"]
    assert first["told"]["member created"] == 8


def test_a_person_reads_what_was_told_and_posted(laurel: Laurel) -> None:
    told = laurel(*SMALL)

    assert told.exit_code == 0
    assert "8 members lived through 30 days, 2025-01-06 to 2025-02-05" in told.stdout
    assert "course.completed recorded" in told.stdout


def test_a_program_that_is_there_already_is_left_alone(laurel: Laurel) -> None:
    laurel(*SMALL, "--program", "One")

    again = laurel(*SMALL, "--program", "One")

    assert isinstance(again.exception, CommandFailed)
    assert "there is a program 'One' already" in str(again.exception)


@pytest.mark.parametrize("option", [("--members", "0"), ("--months", "61"), ("--starts-on", "soon")])
def test_a_company_is_within_bounds(laurel: Laurel, option: tuple[str, str]) -> None:
    assert laurel("simulate", *option).exit_code == 2
