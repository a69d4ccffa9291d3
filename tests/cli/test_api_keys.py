from datetime import datetime, timedelta

import orjson
import pytest

from domain.api_keys import is_well_formed
from domain.scopes import DESCRIPTIONS
from tests.cli.conftest import Laurel


@pytest.fixture(autouse=True)
def program(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")


def test_a_key_is_made_listed_and_revoked(laurel: Laurel) -> None:
    made = orjson.loads(laurel("keys", "create", "--name", "CRM", "--scope", "events:write", "--json").stdout)
    revoked = laurel("keys", "revoke", made["id"])

    states = {key["id"]: key["state"] for key in orjson.loads(laurel("keys", "list", "--json").stdout)}
    assert is_well_formed(made["key"])
    assert made["scopes"] == ["events:write"]
    assert revoked.exit_code == 0
    assert states[made["id"]] == "revoked"


def test_an_expiry_is_counted_in_days(laurel: Laurel) -> None:
    arguments = ("keys", "create", "--name", "CRM", "--scope", "events:write", "--expires-in-days", "30", "--json")
    made = orjson.loads(laurel(*arguments).stdout)

    lives = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lives == timedelta(days=30)


def test_an_unknown_scope_is_named(laurel: Laurel) -> None:
    refused = laurel("keys", "create", "--name", "CRM", "--scope", "points:print")

    assert "unknown scopes: points:print" in str(refused.exception)


def test_an_unknown_key_is_not_revoked(laurel: Laurel) -> None:
    refused = laurel("keys", "revoke", "key_none")

    assert refused.exit_code == 1
    assert "no key key_none" in str(refused.exception)


def test_scopes_are_listed_with_what_they_allow(laurel: Laurel) -> None:
    listed = laurel("keys", "scopes").stdout

    assert all(scope in listed and description in listed for scope, description in DESCRIPTIONS.items())
