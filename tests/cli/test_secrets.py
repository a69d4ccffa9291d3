import base64

import orjson
import pytest

from tests.cli.conftest import Laurel

OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 32).decode()}" for name in "on")


@pytest.fixture(autouse=True)
def sealed(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_SECRET_KEYS", OLD)
    laurel("init", "--name", "Acme")
    for name in ("one", "two"):
        laurel("connections", "add", "xapi", "--name", name, "--secrets", "-", input='{"token": "t"}')


def test_after_rotation_the_new_key_alone_opens_everything(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_SECRET_KEYS", f"{NEW},{OLD}")
    rotated = laurel("secrets", "rotate", "--json")
    again = laurel("secrets", "rotate", "--json")
    monkeypatch.setenv("LAUREL_SECRET_KEYS", NEW)
    opened = laurel("connections", "rotate", "one", "--secrets", "-", input='{"token": "u"}')

    assert orjson.loads(rotated.stdout)["sealed_again"] == {"connections.secrets": 2, "orders.link": 0}
    assert orjson.loads(again.stdout)["sealed_again"] == {"connections.secrets": 0, "orders.link": 0}
    assert opened.exit_code == 0


def test_a_key_that_is_still_needed_is_named(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_SECRET_KEYS", NEW)

    refused = laurel("secrets", "rotate")

    assert "no key is named 'o'" in str(refused.exception)
