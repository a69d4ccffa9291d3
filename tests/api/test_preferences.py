"""What members want to be told, by the API."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.schemas.preferences import PreferencesBody
from tests.api.conftest import MakeClient

WEEKEND = {"since": "20:00", "until": "08:00"}
SAID = {
    "opted_out": ["anniversaries", "digest"],
    "quiet_hours": {"since": "00:00", "until": "06:15"},
    "quiet_days": ["sun"],
    "daily_limit": 0,
}
NOTHING: dict[str, Any] = {"opted_out": [], "quiet_hours": None, "quiet_days": None, "daily_limit": None}


async def test_what_a_member_says_stands_until_they_say_something_else(make_client: MakeClient) -> None:
    client = await make_client(body={"notifications": {"slack": {"daily_limit": 3}}})
    member_id = (await client.post("/v1/members", {"external_id": "ada", "name": "Ada"})).json()["id"]
    path = f"/v1/members/{member_id}/preferences"

    before = (await client.get(path)).json()
    said = (await client.http.put(path, json=SAID)).json()
    read = (await client.get(path)).json()
    taken_back = (await client.http.put(path, json={})).json()

    declared = {"quiet_hours": WEEKEND, "quiet_days": ["sat", "sun"], "daily_limit": 3}
    assert before == {"member_id": member_id, **NOTHING, "effective": declared}
    assert said == read
    assert said == {
        "member_id": member_id,
        **SAID,
        "effective": {name: value for name, value in SAID.items() if name != "opted_out"},
    }
    assert taken_back == before


@pytest.mark.parametrize(
    "body",
    [
        {"opted_out": ["weather"]},
        {"quiet_hours": {"since": "24:00", "until": "08:00"}},
        {"quiet_hours": {"since": "20:00"}},
        {"quiet_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
        {"daily_limit": -1},
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PreferencesBody.model_validate(body)
