"""/_control: set faults, notices, balance and catalog, and count cards and calls. Nothing here is Tremendous' API."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.tremendous.catalog import PRODUCTS
from sandbox.tremendous.courier import Courier, NoticeKnobs
from sandbox.tremendous.faults import KINDS, Fault
from sandbox.tremendous.store import BALANCE_ID, Store
from sandbox.tremendous.wire import Wire

CARDS_MAX = 1000
Endpoint = Callable[[Request], Awaitable[Response]]


class Control:
    def __init__(self, store: Store, courier: Courier, wire: Wire) -> None:
        self._store = store
        self._courier = courier
        self._wire = wire

    def routes(self) -> list[Route]:
        return [
            Route("/_control/faults", _safe(self.add_fault), methods=["POST"]),
            Route("/_control/faults", self.list_faults, methods=["GET"]),
            Route("/_control/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_control/notices", _safe(self.turn_notices), methods=["POST"]),
            Route("/_control/notices", self.list_notices, methods=["GET"]),
            Route("/_control/balance", _safe(self.set_balance), methods=["POST"]),
            Route("/_control/products/{id}", _safe(self.set_product), methods=["POST"]),
            Route("/_control/rewards/{id}/redeem", self.redeem, methods=["POST"]),
            Route("/_control/cards", self.cards, methods=["GET"]),
            Route("/_control/inbox", self.inbox, methods=["GET"]),
            Route("/_control/calls", self.calls, methods=["GET"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
        ]

    async def add_fault(self, request: Request) -> Response:
        """Body: a kind and any of route, external_id, nth, times, seconds, status, retry_after."""
        fault = Fault(**await request.json())
        self._wire.faults.add(fault)
        return JSONResponse(asdict(fault), 201)

    async def list_faults(self, request: Request) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in self._wire.faults.set], "kinds": KINDS})

    async def clear_faults(self, request: Request) -> Response:
        self._wire.faults.clear()
        return Response(status_code=204)

    async def turn_notices(self, request: Request) -> Response:
        """Body: any of copies, paused, reversed, delay_seconds; what is not named goes back to its default."""
        self._courier.turn(NoticeKnobs(**await request.json()))
        return JSONResponse(asdict(self._courier.knobs))

    async def list_notices(self, request: Request) -> Response:
        rows = self._store.all("SELECT * FROM notices ORDER BY n DESC LIMIT ?", CARDS_MAX)
        notices = [
            json.loads(row["body"])
            | {"attempts": row["attempts"], "sent": row["sent"], "open": row["send_after"] is not None}
            for row in rows
        ]
        return JSONResponse({"notices": notices[::-1], "knobs": asdict(self._courier.knobs)})

    async def set_balance(self, request: Request) -> Response:
        """Body: available_cents. More than before is told by a FUNDING_SOURCES.FUNDED notice."""
        before, cents = self._store.available_cents(), int((await request.json())["available_cents"])
        with self._store.transaction():
            self._store.write("UPDATE account SET available_cents = ?", cents)
            if cents > before:
                self._courier.notify("FUNDING_SOURCES.FUNDED", "funding_sources", BALANCE_ID)
        return JSONResponse({"available_cents": cents})

    async def set_product(self, request: Request) -> Response:
        """Body: on_sale. A product that is not on sale can neither be seen nor ordered."""
        product_id, on_sale = request.path_params["id"], bool((await request.json())["on_sale"])
        if product_id not in {product.id for product in PRODUCTS}:
            return JSONResponse({"error": "no such product"}, 404)
        change = (
            "DELETE FROM withdrawn WHERE product_id = ?" if on_sale else "INSERT OR IGNORE INTO withdrawn VALUES (?)"
        )
        with self._store.transaction():
            self._store.write(change, product_id)
            self._courier.notify("PRODUCTS.ADDED" if on_sale else "PRODUCTS.REMOVED", "products", product_id)
        return JSONResponse({"id": product_id, "on_sale": on_sale})

    async def redeem(self, request: Request) -> Response:
        """The recipient uses the card: it can no longer be cancelled."""
        reward_id = request.path_params["id"]
        if self._store.reward(reward_id) is None:
            return JSONResponse({"error": "no such reward"}, 404)
        self._store.write("UPDATE rewards SET redeemed = 1 WHERE id = ?", reward_id)
        return Response(status_code=204)

    async def cards(self, request: Request) -> Response:
        """How many cards were issued, in all and under each external_id, and the newest of them."""
        per_order = self._store.all(
            "SELECT external_id, sum(issued) AS issued FROM orders o JOIN rewards r ON r.order_id = o.id"
            " WHERE external_id IS NOT NULL GROUP BY external_id"
        )
        rows = self._store.all(
            "SELECT r.*, o.external_id FROM rewards r JOIN orders o ON o.id = r.order_id"
            " WHERE issued ORDER BY r.n DESC LIMIT ?",
            CARDS_MAX,
        )
        counts = {
            "issued": self._store.count("SELECT count(*) FROM rewards WHERE issued"),
            "cancelled": self._store.count("SELECT count(*) FROM rewards WHERE cancelled"),
            "by_external_id": {row["external_id"]: row["issued"] for row in per_order},
        }
        return JSONResponse(counts | {"cards": [_card(row) for row in rows]})

    async def inbox(self, request: Request) -> Response:
        """The e-mails sent, newest first, with their links: for tests and demonstrations."""
        rows = self._store.all(
            "SELECT e.*, o.external_id FROM emails e JOIN rewards r ON r.id = e.reward_id"
            " JOIN orders o ON o.id = r.order_id ORDER BY e.n DESC LIMIT ?",
            CARDS_MAX,
        )
        return JSONResponse({"emails": [dict(row) for row in rows]})

    async def calls(self, request: Request) -> Response:
        return JSONResponse({"calls": dict(self._wire.calls), "total": self._wire.calls.total()})

    async def reset(self, request: Request) -> Response:
        """As on the first day: no orders, faults, webhook or calls, and the full balance."""
        self._store.reset()
        self._wire.faults.clear()
        self._wire.calls.clear()
        self._courier.turn(NoticeKnobs())
        return Response(status_code=204)


def _card(row: Any) -> dict[str, Any]:
    shown = ("order_id", "external_id", "product_id", "denomination", "currency_code", "email", "method", "delivery")
    flags = {"cancelled": bool(row["cancelled"]), "redeemed": bool(row["redeemed"])}
    return {"reward_id": row["id"]} | {name: row[name] for name in shown} | flags


def _safe(endpoint: Endpoint) -> Endpoint:
    """A wrong body is answered with 400 and the reason."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return answer
