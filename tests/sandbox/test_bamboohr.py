"""The local BambooHR: what its records remember, what it shows, and what it tells its webhook."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from connectors import bamboohr
from connectors.sources import Request as Incoming
from sandbox.bamboohr import create_app
from sandbox.bamboohr.app import API_KEY
from tests.sandboxes import running

KEY = "signs"
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
API = "/api/v1"


class Listener:
    """A webhook that remembers what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[Incoming] = []
        self.app = FastAPI()
        self.app.post("/intake")(self._take)

    async def _take(self, request: Request) -> Response:
        self.requests.append(Incoming("POST", str(request.url), dict(request.headers), await request.body()))
        return Response(status_code=self.status)

    def told(self) -> list[tuple[str, str]]:
        return [(one.kind, one.object_id) for request in self.requests for one in bamboohr.notices(request)]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def base_url(listener: Listener) -> Iterator[str]:
    with running(listener.app) as listening:
        app = create_app(webhook_key=KEY, webhook_url=f"{listening}/intake", clock=lambda: NOW)
        with running(app) as base_url:
            yield base_url


@pytest.fixture
async def company(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, auth=(API_KEY, "x")) as client:
        yield client


async def post(company: httpx.AsyncClient, path: str, body: Any = None) -> Any:
    answer = await company.post(f"/_control/{path}", json=body or {})
    assert answer.is_success, answer.headers.get("x-bamboohr-error-message")
    return answer.json()


async def get(company: httpx.AsyncClient, path: str, **params: str) -> Any:
    answer = await company.get(f"{API}/{path}", params=params)
    assert answer.status_code == 200, answer.headers
    return answer.json()


async def hire(company: httpx.AsyncClient, **fields: str) -> str:
    employee_id: str = (await post(company, "employees", {"fields": {"hireDate": "2024-01-01", **fields}}))["id"]
    return employee_id


async def test_what_happens_is_told_at_once_in_signed_notices(company: httpx.AsyncClient, listener: Listener) -> None:
    ada = await hire(company, firstName="Ada")
    await post(company, f"employees/{ada}/edit", {"fields": {"lastName": "Example"}})
    await post(company, f"employees/{ada}/delete")

    for request in listener.requests:
        bamboohr.verify(request, KEY, NOW)
    kinds = ["employee.created", "employee.updated", "employee.updated", "employee.deleted"]
    assert listener.told() == [(kind, ada) for kind in kinds]


async def test_a_notice_that_was_not_taken_is_sent_again(company: httpx.AsyncClient, listener: Listener) -> None:
    listener.status = 500
    ada = await hire(company, firstName="Ada")
    listener.status = 204

    delivered = await post(company, "notices/deliver", {"reverse": True})
    again = await post(company, "notices/deliver_again")

    assert delivered["statuses"] == again["statuses"] == [204, 204]
    assert [kind for kind, _ in listener.told()][2:4] == ["employee.updated", "employee.created"]
    assert {employee for _, employee in listener.told()} == {ada}


async def test_held_notices_wait(company: httpx.AsyncClient, listener: Listener) -> None:
    await company.put("/_control/webhook", json={"hold": True})
    await hire(company, firstName="Ada")

    waiting = (await company.get("/_control/notices")).json()

    assert (len(waiting["pending"]), listener.requests) == (2, [])


async def test_fields_show_the_row_that_holds_today(company: httpx.AsyncClient) -> None:
    ada = await hire(company, firstName="Ada", jobTitle="Engineer", department="Research")
    await post(company, f"employees/{ada}/tables/jobInfo", {"fields": {"date": "2026-03-04", "jobTitle": "Lead"}})
    await post(company, f"employees/{ada}/tables/jobInfo", {"fields": {"date": "2026-09-01", "jobTitle": "Head"}})

    fields = {"fields": "jobTitle,department,terminationDate,unheardOf"}
    now = await get(company, f"employees/{ada}", **fields)
    to_come = await get(company, f"employees/{ada}", onlyCurrent="false", **fields)

    assert now == {"id": ada, "jobTitle": "Lead", "department": "Research", "terminationDate": "0000-00-00"}
    assert to_come["jobTitle"] == "Head"


async def test_a_supervisor_is_known_by_record_and_by_number(company: httpx.AsyncClient) -> None:
    bob = await hire(company, firstName="Bob", lastName="Boss", employeeNumber="B-9")
    ada = await hire(company, firstName="Ada", supervisor="Bob Boss")

    found = await get(company, f"employees/{ada}", fields="supervisor,supervisorEId,supervisorId")

    assert found == {"id": ada, "supervisor": "Bob Boss", "supervisorEId": bob, "supervisorId": "B-9"}


async def test_the_directory_has_who_is_employed_and_pages_have_everybody(company: httpx.AsyncClient) -> None:
    ada, bob = await hire(company, firstName="Ada"), await hire(company, firstName="Bob")
    await post(company, f"employees/{bob}/terminate", {"on": "2026-03-01"})

    directory = await get(company, "employees/directory")
    page = await get(company, "employees", **{"page[limit]": "1"})
    following = await get(company, "employees", **{"page[after]": page["meta"]["page"]["nextCursor"]})

    assert [one["id"] for one in directory["employees"]] == [ada]
    assert [(one["employeeId"], one["status"]) for one in page["data"] + following["data"]] == [
        (ada, "Active"),
        (bob, "Inactive"),
    ]
    assert (page["meta"]["total"], following["meta"]["page"]["nextCursor"]) == (2, None)


async def test_changes_are_listed_by_what_happened_last(company: httpx.AsyncClient) -> None:
    ids = [await hire(company, firstName=f"E{n}") for n in range(3)]
    await post(company, f"employees/{ids[1]}/edit", {"fields": {"city": "Berlin"}})
    await post(company, f"employees/{ids[2]}/delete")

    found = await get(company, "employees/changed", since="2026-03-04T12:00:00Z")
    deleted = await get(company, "employees/changed", since="2026-03-04T12:00:00Z", type="deleted")
    nothing = await get(company, "employees/changed", since="2026-03-04T12:00:01Z")

    assert [found["employees"][one]["action"] for one in ids] == ["Inserted", "Updated", "Deleted"]
    assert (list(deleted["employees"]), nothing["employees"]) == ([ids[2]], {})


async def test_time_off_is_listed_by_the_days_it_touches(company: httpx.AsyncClient) -> None:
    ada = await hire(company, firstName="Ada", lastName="Example")
    request = await post(
        company, "time_off", {"employee_id": ada, "start": "2026-03-06", "end": "2026-03-09", "type": "Vacation"}
    )
    await post(company, "holidays", {"name": "Founders' day", "on": "2026-03-09"})

    touched = await get(company, "time_off/requests", start="2026-03-09", end="2026-03-20")
    others = await get(company, "time_off/requests", start="2026-03-10", end="2026-03-20")
    out = await get(company, "time_off/whos_out")
    await post(company, f"time_off/{request['id']}", {"status": "canceled"})

    assert (touched[0]["amount"], touched[0]["status"]["status"]) == ({"unit": "days", "amount": 2}, "approved")
    assert others == []
    assert [(one["type"], one["name"]) for one in out] == [("timeOff", "Ada Example"), ("holiday", "Founders' day")]
    assert len(await get(company, "time_off/whos_out")) == 1


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("employees/999", {}, 404),
        ("employees/999/tables/jobInfo", {}, 404),
        ("employees/all/tables/secrets", {}, 404),
        ("employees/changed", {}, 400),
        ("employees/changed", {"since": "yesterday"}, 400),
        ("employees", {"page[after]": "nonsense"}, 400),
        ("employees/directory", {}, 404),
    ],
)
async def test_what_is_wrong_is_said_in_a_header(
    company: httpx.AsyncClient, path: str, params: dict[str, str], status: int
) -> None:
    answer = await company.get(f"{API}/{path}", params=params)

    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers["x-bamboohr-error-message"]


@pytest.mark.parametrize("auth", [None, ("another", "x"), ("", "")])
async def test_without_the_key_nothing_is_shown(base_url: str, auth: tuple[str, str] | None) -> None:
    async with httpx.AsyncClient(base_url=base_url, auth=auth) as stranger:
        answer = await stranger.get(f"{API}/employees")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rate_limited", 429), ("unavailable", 503), ("server_error", 500), ("unauthorized", 401), ("garbled", 200)],
)
async def test_a_bad_day_spoils_as_many_answers_as_asked(company: httpx.AsyncClient, kind: str, status: int) -> None:
    await post(company, "faults", {"kind": kind, "times": 2, "retry_after_seconds": 7})

    answers = [await company.get(f"{API}/employees") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers.get("retry-after") == ("7" if status in (429, 503) else None)


async def test_the_company_is_remembered_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "bamboohr.json"
    with running(create_app(data=file, clock=lambda: NOW)) as base_url:
        async with httpx.AsyncClient(base_url=base_url) as first:
            ada = await hire(first, firstName="Ada")
            await post(first, "time_off", {"employee_id": ada, "start": "2026-03-06", "end": "2026-03-06"})
    with running(create_app(data=file, clock=lambda: NOW)) as base_url:
        async with httpx.AsyncClient(base_url=base_url, auth=(API_KEY, "x")) as second:
            name = await get(second, f"employees/{ada}", fields="displayName")
            bob = await hire(second, firstName="Bob")
            waiting = (await second.get("/_control/notices")).json()["pending"]

    assert name["displayName"] == "Ada"
    assert int(bob) > int(ada)
    assert len(waiting) == 4
