"""Who somebody is by what Slack says of them: at home, a guest, from elsewhere, or nobody."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import MalformedNotice
from connectors.slack import users
from domain.connections import Connection
from domain.slack_users import UserFacts, UserKind

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ACME = Connection("con_1", "prg_1", "slack", "slack", NOW, {"team_id": "T1", "enterprise_id": "E1"})
ADA = {
    "id": "U1",
    "team_id": "T1",
    "name": "ada",
    "updated": int(NOW.timestamp()),
    "tz": "Europe/London",
    "locale": "en-GB",
    "is_email_confirmed": True,
    "profile": {"real_name": "Ada Lovelace", "display_name": "ada", "email": "ada@example.com"},
}


def test_a_person_is_told_with_name_language_zone_and_address() -> None:
    assert users.facts(ACME, ADA) == UserFacts(
        "U1", UserKind.PERSON, "Ada Lovelace", NOW, "ada@example.com", "en-GB", "Europe/London"
    )


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"is_restricted": True}, UserKind.GUEST),
        ({"is_ultra_restricted": True}, UserKind.GUEST),
        ({"team_id": "T2"}, UserKind.EXTERNAL),
        ({"is_stranger": True}, UserKind.EXTERNAL),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E2"}}, UserKind.EXTERNAL),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}, UserKind.PERSON),
        ({"is_bot": True}, UserKind.BOT),
        ({"id": "USLACKBOT"}, UserKind.BOT),
    ],
)
def test_what_a_user_is_to_the_workspace(changes: dict[str, Any], kind: UserKind) -> None:
    assert users.facts(ACME, ADA | changes).kind is kind


def test_an_address_that_is_not_confirmed_is_none() -> None:
    assert users.facts(ACME, ADA | {"is_email_confirmed": False}).email is None


@pytest.mark.parametrize("user", [{}, {"id": 7}, ADA | {"updated": -1}, ADA | {"profile": "ada"}])
def test_what_is_no_user_is_refused(user: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotice):
        users.facts(ACME, user)
