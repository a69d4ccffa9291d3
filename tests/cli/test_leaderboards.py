import orjson
import pytest

from tests.cli.conftest import Laurel


@pytest.fixture(autouse=True)
def program(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")


def test_a_rebuild_tells_how_many_standings_there_are(laurel: Laurel) -> None:
    rebuilt = laurel("leaderboards", "rebuild", "--json")

    answer = orjson.loads(rebuilt.stdout)
    assert rebuilt.exit_code == 0
    assert answer["standings"] == 0


def test_without_redis_a_rebuild_says_so(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    refused = laurel("leaderboards", "rebuild")

    assert refused.exit_code == 1
    assert "Redis does not answer" in str(refused.exception)
