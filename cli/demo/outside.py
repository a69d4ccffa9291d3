"""The outside world of the demonstration: a CRM's users, an LMS, a vendor's back office, and Laurel's own API."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from cli.demo.facts import Deal
from cli.demo.screens import Screens
from cli.demo.waiting import DemoFailed
from cli.seed import SampleCompany, Sandboxes

ANSWER_SECONDS = 30.0
IDLE_SECONDS = 2.0
PAGE = 100

Json = dict[str, Any]


class Caller:
    """One HTTP server; whatever it refuses ends the demonstration."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        # Shorter than the servers keep idle connections: none is used that they are about to close.
        limits = httpx.Limits(keepalive_expiry=IDLE_SECONDS)
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_SECONDS, limits=limits)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The JSON that it answers; raises DemoFailed."""
        content = {} if body is None else {"json": body}
        try:
            answer = await self._client.request(method, path, **content, **more)
        except httpx.TransportError as error:
            raise DemoFailed(f"{method} {self._client.base_url}{path}: {type(error).__name__}") from None
        if not answer.is_success:
            raise DemoFailed(f"{method} {path} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    async def aclose(self) -> None:
        await self._client.aclose()


class HubSpotAccount(Caller):
    """The CRM: deals are won and reopened in it, and it sends signed notices."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        super().__init__(sandboxes.hubspot)

    async def win(self, deal: Deal) -> str:
        """A new deal that is closed-won; its id."""
        properties = {
            "dealname": deal.name,
            "amount": deal.amount,
            "deal_currency_code": deal.currency,
            "hubspot_owner_id": deal.owner_id,
        }
        made = await self.call("POST", "/_control/deals", {"properties": properties})
        deal_id: str = made["id"]
        await self.call("POST", f"/_control/deals/{deal_id}/win")
        return deal_id

    async def reopen(self, deal_id: str) -> None:
        await self.call("POST", f"/_control/deals/{deal_id}/reopen")

    async def hold(self) -> None:
        """Keep notices back from now on."""
        await self.call("PUT", "/_control/webhook", {"hold": True})

    async def deliver(self) -> int:
        """Send what waits; how many notices that were."""
        waiting = len((await self.call("GET", "/_control/notices"))["pending"])
        _require_taken((await self.call("POST", "/_control/notices/deliver", {}))["statuses"])
        return waiting

    async def deliver_again(self) -> int:
        """Send everything that was delivered once more; how many notices that were."""
        delivered = len((await self.call("GET", "/_control/notices"))["delivered"])
        _require_taken((await self.call("POST", "/_control/notices/deliver_again", {}))["statuses"])
        return delivered


class LearningSystem(Caller):
    """The LMS: it sends xAPI statements with the connection's credentials."""

    def __init__(self, api_url: str, company: SampleCompany) -> None:
        super().__init__(api_url, {"x-experience-api-version": "1.0.3"})
        self._credentials = httpx.BasicAuth(company.connections["lms"], company.lms_token)

    async def send(self, statements: Sequence[Json]) -> None:
        """All but the last in one request, the last one under its id."""
        *many, last = statements
        await self.call("POST", "/xapi/statements", many, auth=self._credentials)
        query = {"statementId": last["id"]}
        await self.call("PUT", "/xapi/statements", last, params=query, auth=self._credentials)


class VendorAccount(Caller):
    """The vendor's side: what it has issued, and the faults that it is told to have."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        super().__init__(f"{sandboxes.tremendous}/_control")
        self.inbox_url = f"{sandboxes.tremendous}/inbox"

    async def cards(self) -> Json:
        found: Json = await self.call("GET", "/cards")
        return found

    async def time_out_after_success(self) -> None:
        """The next order is made, but whoever asked for it hears nothing until they hang up."""
        await self.call("POST", "/faults", {"kind": "timeout_after_success", "route": "POST /orders"})


class SlackWorkspace(Caller):
    """The company's workspace: its people act in it, and what they see can be read."""

    def __init__(self, sandboxes: Sandboxes, team_id: str) -> None:
        super().__init__(f"{sandboxes.slack}/_control")
        self._team_id = team_id
        self.page_url = f"{sandboxes.slack}/?team={team_id}"

    async def act(self, what: str, **body: Any) -> Any:
        """Somebody does it; what comes of it."""
        done: Json = await self.call("POST", f"/people/{what}", {"team": self._team_id, **body})
        return done["result"]

    async def screens(self) -> Screens:
        return Screens(await self.call("GET", "/said", params={"team": self._team_id}))


class Api(Caller):
    """Laurel's REST API with the program's key."""

    def __init__(self, url: str, company: SampleCompany) -> None:
        super().__init__(url, {"authorization": f"Bearer {company.key}"})

    async def events(self) -> list[Json]:
        return await self._items("/v1/events")

    async def orders(self) -> list[Json]:
        return await self._items("/v1/orders")

    async def members(self) -> list[Json]:
        return await self._items("/v1/members")

    async def balance(self, member_id: str, unit: str = "points") -> Json:
        found: Json = await self.call("GET", f"/v1/members/{member_id}/balance", params={"unit": unit})
        return found

    async def order(self, order_id: str) -> Json:
        found: Json = await self.call("GET", f"/v1/orders/{order_id}")
        return found

    async def event(self, event_id: str) -> Json:
        found: Json = await self.call("GET", f"/v1/events/{event_id}")
        return found

    async def place_order(self, body: Json, key: str) -> Json:
        placed: Json = await self.call("POST", "/v1/orders", body, headers={"idempotency-key": key})
        return placed

    async def _items(self, path: str) -> list[Json]:
        page: Json = await self.call("GET", path, params={"limit": PAGE})
        found: list[Json] = page["items"]
        return found


def _require_taken(statuses: Sequence[int]) -> None:
    if not statuses or not all(200 <= status < 300 for status in statuses):
        raise DemoFailed(f"HubSpot's notices were answered {statuses}")
