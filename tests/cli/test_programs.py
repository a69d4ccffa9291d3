import orjson

from cli.errors import CommandFailed
from domain.api_keys import is_well_formed
from tests.cli.conftest import Laurel


def test_init_makes_a_program_and_shows_its_key_once(laurel: Laurel) -> None:
    made = laurel("init", "--name", "Acme", "--time-zone", "Europe/Berlin")
    listed = laurel("programs", "list")

    key = made.stdout.splitlines()[-1]
    assert made.exit_code == 0
    assert is_well_formed(key)
    assert "Acme" in listed.stdout
    assert key not in listed.stdout + laurel("keys", "list").stdout


def test_init_answers_scripts_with_one_json_value(laurel: Laurel) -> None:
    answer = orjson.loads(laurel("init", "--name", "Acme", "--live", "--json").stdout)

    assert answer["kind"] == "live"
    assert answer["key"].startswith("lrl_live_")
    assert [one["id"] for one in orjson.loads(laurel("programs", "list", "--json").stdout)] == [answer["id"]]


def test_a_time_zone_that_is_none_is_refused_and_nothing_is_made(laurel: Laurel) -> None:
    refused = laurel("init", "--name", "Acme", "--time-zone", "Mars/Olympus")

    assert isinstance(refused.exception, CommandFailed)
    assert orjson.loads(laurel("programs", "list", "--json").stdout) == []


def test_a_command_asks_which_program_is_meant_only_when_there_are_several(laurel: Laurel) -> None:
    without_any = laurel("keys", "list")
    laurel("init", "--name", "Acme")
    with_one = laurel("keys", "list")
    laurel("init", "--name", "Other")
    with_two, named = laurel("keys", "list"), laurel("keys", "list", "--program", "Other")

    assert "make one with `laurel init" in str(without_any.exception)
    assert with_one.exit_code == 0
    assert "several programs fit" in str(with_two.exception)
    assert "(Other)" in str(with_two.exception)
    assert named.exit_code == 0
