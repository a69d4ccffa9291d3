"""The knobs and counters of a running Tremendous sandbox, for any test that has to do with cards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from sandbox.tremendous import create_app
from tests.sandboxes import running


class Controls:
    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url
        self.api_url = f"{url}/api/v2"
        self._client = client

    def fault(self, kind: str, **knobs: Any) -> None:
        self._post("/_control/faults", {"kind": kind, **knobs})

    def notices(self, **knobs: Any) -> None:
        self._post("/_control/notices", knobs)

    def balance(self, available_cents: int) -> None:
        self._post("/_control/balance", {"available_cents": available_cents})

    def on_sale(self, product_id: str, on_sale: bool) -> None:
        self._post(f"/_control/products/{product_id}", {"on_sale": on_sale})

    def redeem(self, reward_id: str) -> None:
        self._post(f"/_control/rewards/{reward_id}/redeem", {})

    def reset(self) -> None:
        self._post("/_control/reset", {})

    def cards(self) -> dict[str, Any]:
        return self.see("/_control/cards")

    def emails(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.see("/_control/inbox")["emails"]
        return found

    def see(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def page(self, address: str) -> str:
        """The HTML behind an address, on this server or anywhere."""
        return self._client.get(address).text

    def api(self, method: str, path: str, json: Any = None, key: str = "TEST_controls") -> httpx.Response:
        """One call of the vendor's API, as somebody else than Laurel might make it."""
        return self._client.request(method, f"/api/v2{path}", json=json, headers={"authorization": f"Bearer {key}"})

    def webhook(self, url: str) -> str:
        """Notices go to `url` from now on; returns the key that signs them."""
        private_key: str = self.api("POST", "/webhooks", {"url": url}).json()["webhook"]["private_key"]
        return private_key

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self._client.post(path, json=body).raise_for_status()


@contextmanager
def tremendous(**settings: Any) -> Iterator[Controls]:
    """A sandbox of its own on a free port; `settings` are those of `create_app`."""
    with running(create_app(**settings)) as url, httpx.Client(base_url=url) as client:
        yield Controls(url, client)
