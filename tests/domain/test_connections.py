from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from connectors import hubspot, xapi
from domain.connections import KINDS, Connection, InvalidConnection, check
from domain.programs import ProgramKind

SANDBOX, LIVE = ProgramKind.SANDBOX, ProgramKind.LIVE
COMPLETE = {
    "hubspot": {"client_secret": "shh", "access_token": "token"},
    "bamboohr": {"api_key": "key"},
    "xapi": {"token": "shh"},
    "tremendous": {"api_key": "TEST_1", "webhook_key": "shh"},
    "slack": {"bot_token": "xoxb-1"},
}
WORKSPACE = {"team_id": "T1", "team_name": "Acme", "app_id": "A1", "bot_user_id": "U1"}
NEEDED = {"bamboohr": {"company": "acme"}, "slack": WORKSPACE}


def test_a_kind_says_of_which_types_its_events_are() -> None:
    assert KINDS["hubspot"].event_types == (hubspot.DEAL_WON,)
    assert KINDS["xapi"].event_types == tuple(xapi.EVENT_TYPES.values())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_what_it_declares(kind: str) -> None:
    check(kind, SANDBOX, NEEDED.get(kind, {}), COMPLETE[kind])


@pytest.mark.parametrize(
    ("kind", "config", "secrets", "reason"),
    [
        ("fax", {}, {}, "kind 'fax' is not one of hubspot, bamboohr, xapi, tremendous"),
        ("hubspot", {}, {"client_secret": "shh"}, "missing secret fields: access_token"),
        ("hubspot", {}, {"client_secret": "shh", "access_token": ""}, "missing secret fields: access_token"),
        ("hubspot", {"colour": "red"}, COMPLETE["hubspot"], "unknown configuration fields: colour"),
        ("hubspot", {"base_url": "x" * 2_001}, COMPLETE["hubspot"], "base_url must have 1 to 2000 characters"),
        ("bamboohr", {}, COMPLETE["bamboohr"], "missing configuration fields: company"),
        ("bamboohr", {"company": "acme.com/x"}, COMPLETE["bamboohr"], "company must be a name such as acme"),
        ("bamboohr", {"company": "a", "time_zone_field": "a,b"}, COMPLETE["bamboohr"], "the name of one of BambooHR's"),
        ("slack", WORKSPACE | {"deactivation": "fire"}, COMPLETE["slack"], "deactivation must be ignore or leave"),
        ("xapi", {}, {}, "missing secret fields: token"),
        ("xapi", {}, {"token": "t", "extra": "e"}, "unknown secret fields: extra"),
    ],
)
def test_what_a_kind_does_not_take_is_named(
    kind: str, config: Mapping[str, str], secrets: Mapping[str, str], reason: str
) -> None:
    with pytest.raises(InvalidConnection, match=reason):
        check(kind, SANDBOX, config, secrets)


@pytest.mark.parametrize(("program", "api_key"), [(SANDBOX, "PROD_1"), (LIVE, "TEST_1")])
def test_a_sandbox_and_a_live_vendor_never_meet(program: ProgramKind, api_key: str) -> None:
    with pytest.raises(InvalidConnection, match="TEST_"):
        check("tremendous", program, {}, {"api_key": api_key})


def test_an_error_never_shows_a_secret() -> None:
    with pytest.raises(InvalidConnection) as caught:
        check("hubspot", SANDBOX, {}, {"client_secret": "canary" * 2_000, "access_token": "t"})

    assert "canary" not in str(caught.value)


def test_a_connection_shows_its_configuration_and_no_secret() -> None:
    connection = Connection(
        "con_1", "prg_1", "xapi", "LMS", datetime(2026, 3, 1, tzinfo=UTC), {"base_url": "u"}, {"token": "canary"}
    )

    assert "base_url" in repr(connection)
    assert "canary" not in repr(connection)
