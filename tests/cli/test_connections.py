from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Laurel

SECRETS = orjson.dumps({"client_secret": "canary-1", "access_token": "canary-2"}).decode()


@pytest.fixture(autouse=True)
def program(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")


def test_a_connection_is_added_with_secrets_from_standard_input(laurel: Laurel) -> None:
    added = laurel("connections", "add", "hubspot", "--name", "crm", "--secrets", "-", input=SECRETS)
    listed = laurel("connections", "list", "--json")

    connection = orjson.loads(listed.stdout)[0]
    assert added.exit_code == 0
    assert f"/intake/{connection['id']}" in added.stdout
    assert "canary" not in added.output + listed.output


def test_a_connection_is_added_with_secrets_from_a_file(laurel: Laurel, tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(SECRETS)

    added = laurel(
        "connections", "add", "hubspot", "--name", "crm", "--config", "base_url=http://127.0.0.1:1",
        "--secrets", str(file), "--json",
    )  # fmt: skip

    assert orjson.loads(added.stdout)["config"] == {"base_url": "http://127.0.0.1:1"}


def test_rotation_says_which_secrets_are_new_and_shows_none(laurel: Laurel) -> None:
    laurel("connections", "add", "hubspot", "--name", "crm", "--secrets", "-", input=SECRETS)

    rotated = laurel("connections", "rotate", "crm", "--secrets", "-", input='{"access_token": "canary-3"}')

    assert rotated.output == "crm has new secrets: access_token.\n"


@pytest.mark.parametrize(
    ("arguments", "input", "reason"),
    [
        (("fax",), SECRETS, "'fax' is not a kind of connection"),
        (("hubspot",), "canary", "is not JSON"),
        (("hubspot",), '["canary"]', "is not a JSON object of texts"),
        (("hubspot",), '{"access_token": "canary"}', "missing secret fields: client_secret"),
        (("hubspot", "--config", "base_url"), SECRETS, "written as name=value"),
    ],
)
def test_what_is_wrong_is_told_without_any_secret(
    laurel: Laurel, arguments: tuple[str, ...], input: str, reason: str
) -> None:
    refused = laurel("connections", "add", *arguments, "--name", "crm", "--secrets", "-", input=input)

    assert refused.exit_code == 1
    assert reason in str(refused.exception)
    assert "canary" not in str(refused.exception) + refused.output


def test_without_anybody_to_ask_secrets_must_be_given(laurel: Laurel) -> None:
    refused = laurel("connections", "add", "hubspot", "--name", "crm")

    assert "give --secrets FILE" in str(refused.exception)


def test_what_is_not_read_is_not_synced(laurel: Laurel) -> None:
    laurel("connections", "add", "hubspot", "--name", "crm", "--secrets", "-", input=SECRETS)

    refused = laurel("connections", "sync", "crm")

    assert "hubspot is not read" in str(refused.exception)


def test_a_sync_without_temporal_is_refused(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    given = ("--name", "people", "--config", "company=acme", "--secrets", "-")
    laurel("connections", "add", "bamboohr", *given, input='{"api_key": "canary"}')

    refused = laurel("connections", "sync", "people", "--full")

    assert refused.exit_code == 1
    assert "Temporal at 127.0.0.1:1" in str(refused.exception)


def test_an_outage_is_told_ended_and_listed(laurel: Laurel) -> None:
    laurel("connections", "add", "hubspot", "--name", "crm", "--secrets", "-", input=SECRETS)

    laurel("connections", "outage", "crm", "--from", "2026-03-02", "--to", "2026-03-03T06:00:00+01:00")
    laurel("connections", "outage", "crm", "--from", "2026-03-09")
    twice = laurel("connections", "outage", "crm", "--from", "2026-03-10")
    laurel("connections", "outage", "crm", "--to", "2026-03-11")
    again = laurel("connections", "outage", "crm", "--to", "2026-03-12")
    listed = orjson.loads(laurel("connections", "outage", "crm", "--json").stdout)

    assert [(one["began_at"], one["ended_at"]) for one in listed] == [
        ("2026-03-09T00:00:00Z", "2026-03-11T00:00:00Z"),
        ("2026-03-02T00:00:00Z", "2026-03-03T05:00:00Z"),
    ]
    assert "crm is already down" in str(twice.exception)
    assert "crm is not down" in str(again.exception)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--from", "2026-03-03", "--to", "2026-03-02"), "it ends before it begins"),
        (("--from", "2199-03-03"), "lies in the future"),
        (("--from", "soon"), "is neither a day"),
    ],
)
def test_an_outage_that_cannot_be_is_refused(laurel: Laurel, arguments: tuple[str, ...], reason: str) -> None:
    laurel("connections", "add", "hubspot", "--name", "crm", "--secrets", "-", input=SECRETS)

    refused = laurel("connections", "outage", "crm", *arguments)

    assert refused.exit_code == 1
    assert reason in str(refused.exception)
    assert orjson.loads(laurel("connections", "outage", "crm", "--json").stdout) == []
