"""A program as its administrators set it: whose pages may use its member tokens."""

import pytest
from fastapi import FastAPI

from api import auth
from domain.programs import MAX_ORIGINS
from domain.scopes import Scope
from tests.api.conftest import Client, MakeClient
from tests.api.test_member_tokens import PAGE, ada_of, bearing, token_for

PATH = "/v1/program/origins"


async def test_origins_are_set_together_and_read(client: Client) -> None:
    before = await client.get(PATH)
    answer = await client.http.put(PATH, json={"origins": [PAGE, "http://localhost:3000", PAGE]})
    after = await client.get(PATH)

    assert before.json() == {"origins": []}
    assert answer.status_code == 200
    assert after.json() == answer.json() == {"origins": ["http://localhost:3000", PAGE]}
    assert (await client.get("/v1/program")).json()["origins"] == after.json()["origins"]


async def test_pages_are_let_in_and_closed_out_by_the_list(
    app: FastAPI, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", 0)
    member_id = await ada_of(client)
    statuses = []
    async with bearing(app, await token_for(client, member_id)) as page:
        for origins in ([], [PAGE], []):
            await client.http.put(PATH, json={"origins": origins})
            statuses.append((await page.get(f"/v1/members/{member_id}/balance", headers={"Origin": PAGE})).status_code)

    assert statuses == [403, 200, 403]


@pytest.mark.parametrize(
    "origins", [["*"], ["https://app.example.com/"], ["https://a.example:443"], [f"https://a{n}" for n in range(51)]]
)
async def test_what_is_no_list_of_origins_changes_nothing(client: Client, origins: list[str]) -> None:
    await client.http.put(PATH, json={"origins": [PAGE]})

    answer = await client.http.put(PATH, json={"origins": origins})

    assert MAX_ORIGINS == 50
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await client.get(PATH)).json() == {"origins": [PAGE]}


async def test_only_administrators_read_and_set_origins(make_client: MakeClient) -> None:
    client = await make_client(Scope.TOKENS_WRITE, Scope.BALANCES_READ)

    assert (await client.get(PATH)).status_code == 403
    assert (await client.http.put(PATH, json={"origins": []})).status_code == 403
