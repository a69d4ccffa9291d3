"""The API as Tremendous documents it: orders, rewards, products, funding sources, approvals and webhooks."""

import asyncio
import contextlib
import json
import re
import secrets
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.tremendous.catalog import PRODUCTS, US_CENTS_FOR_ONE, Product, number, us_cents
from sandbox.tremendous.courier import Courier
from sandbox.tremendous.faults import Fault, Faults
from sandbox.tremendous.store import BALANCE_ID, Store, canonical, instant, new_id

REQUEST_BYTES_MAX = 1_000_000
PAGE_DEFAULT = 10
PAGE_MAX = 500
EVENTS = (
    "CAMPAIGNS.CREATED",
    "CAMPAIGNS.DELETED",
    "FUNDING_SOURCES.CREATED",
    "FUNDING_SOURCES.DELETED",
    "FUNDING_SOURCES.FUNDED",
    "INVOICES.CREATED",
    "INVOICES.DELETED",
    "INVOICES.PAID",
    "MEMBERS.CREATED",
    "MEMBERS.DELETED",
    "ORDERS.APPROVED",
    "ORDERS.CANCELED",
    "ORDERS.CREATED",
    "ORDERS.FAILED",
    "PRODUCTS.ADDED",
    "PRODUCTS.REMOVED",
    "REWARDS.CANCELED",
    "REWARDS.CREATED",
    "REWARDS.DELIVERY.FAILED",
    "REWARDS.DELIVERY.SUCCEEDED",
    "REWARDS.FLAGGED",
)
_PRODUCTS = {product.id: product for product in PRODUCTS}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_METHODS = ("EMAIL", "LINK")


class WireError(Exception):
    def __init__(self, status: int, message: str, payload: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.answer = JSONResponse({"errors": {"message": message, "payload": payload or {}}}, status)


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request: what its path and query say, its JSON body, and where this server is reached."""

    path: dict[str, Any]
    query: dict[str, str]
    json: dict[str, Any]
    base_url: str
    fault: Fault | None = None

    @property
    def struck_by(self) -> str | None:
        return self.fault.kind if self.fault else None


Handler = Callable[[Call], Response]


class Wire:
    def __init__(self, store: Store, courier: Courier, requests_per_second: int | None) -> None:
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self._store = store
        self._courier = courier
        self._requests_per_second = requests_per_second
        self._recent: deque[float] = deque()

    def routes(self) -> list[Route]:
        handlers: dict[str, Handler] = {
            "GET /products": self.list_products,
            "GET /products/{id}": self.get_product,
            "GET /funding_sources": self.list_funding_sources,
            "GET /funding_sources/{id}": self.get_funding_source,
            "POST /orders": self.create_order,
            "GET /orders": self.list_orders,
            "GET /orders/{id}": self.get_order,
            "POST /order_approvals/{id}/approve": self.approve_order,
            "POST /order_approvals/{id}/reject": self.reject_order,
            "GET /rewards": self.list_rewards,
            "GET /rewards/{id}": self.get_reward,
            "POST /rewards/{id}/generate_link": self.generate_link,
            "POST /rewards/{id}/resend": self.resend_reward,
            "POST /rewards/{id}/cancel": self.cancel_reward,
            "GET /webhooks": self.list_webhooks,
            "POST /webhooks": self.create_webhook,
            "GET /webhooks/{id}": self.get_webhook,
            "DELETE /webhooks/{id}": self.delete_webhook,
            "GET /webhooks/{id}/events": self.list_webhook_events,
            "POST /webhooks/{id}/simulate": self.simulate_webhook,
        }
        return [self._route(name, handler) for name, handler in handlers.items()]

    def _route(self, name: str, handler: Handler) -> Route:
        method, path = name.split()

        async def endpoint(request: Request) -> Response:
            self.calls[name] += 1
            try:
                return await self._answer(name, handler, request)
            except WireError as error:
                return error.answer

        return Route(f"/api/v2{path}", endpoint, methods=[method])

    async def _answer(self, name: str, handler: Handler, request: Request) -> Response:
        _authorise(request.headers.get("authorization", ""))
        if not self._within_rate():
            return _too_many(1)
        body = await _json(request)
        fault = self.faults.take(name, self._external_id(request, body))
        base_url = str(request.base_url).rstrip("/")
        call = Call(request.path_params, dict(request.query_params), body, base_url, fault)
        return handler(call) if fault is None else await _struck(fault, handler, call, request)

    def _within_rate(self) -> bool:
        if self._requests_per_second is None:
            return True
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= self._requests_per_second:
            return False
        self._recent.append(now)
        return True

    def _external_id(self, request: Request, body: dict[str, Any]) -> str | None:
        """The order that a call is about, so that a fault can be aimed at one."""
        named = body.get("external_id") or request.query_params.get("external_id")
        if named:
            return str(named)
        name = request.path_params.get("id", "")
        reward = self._store.reward(name)
        order = self._store.order_of(reward["order_id"] if reward else name)
        return order["external_id"] if order else None

    # --- products and money

    def list_products(self, call: Call) -> Response:
        country, currency = call.query.get("country"), call.query.get("currency")
        wanted = [
            product.wire(call.base_url)
            for product in self._on_sale()
            if (not country or set(country.split(",")) & set(product.countries))
            and (not currency or product.currency in currency.split(","))
        ]
        return JSONResponse({"products": wanted})

    def get_product(self, call: Call) -> Response:
        product = next((product for product in self._on_sale() if product.id == call.path["id"]), None)
        if product is None:
            raise WireError(404, "Product not found")
        return JSONResponse({"product": product.wire(call.base_url)})

    def list_funding_sources(self, call: Call) -> Response:
        return JSONResponse({"funding_sources": [self._balance()]})

    def get_funding_source(self, call: Call) -> Response:
        if call.path["id"].upper() not in (BALANCE_ID, "BALANCE"):
            raise WireError(404, "Funding source not found")
        return JSONResponse({"funding_source": self._balance()})

    def _on_sale(self) -> list[Product]:
        withdrawn = {row["product_id"] for row in self._store.all("SELECT product_id FROM withdrawn")}
        return [product for product in PRODUCTS if product.id not in withdrawn]

    def _balance(self) -> dict[str, Any]:
        cents = self._store.available_cents()
        return {
            "id": BALANCE_ID,
            "method": "balance",
            "usage_permissions": ["api_orders", "dashboard_orders", "balance_funding"],
            "status": "active",
            "meta": {
                "available_amount": number(Decimal(cents) / 100),
                "available_cents": cents,
                "pending_amount": 0,
                "pending_cents": 0,
                "currency_code": "USD",
            },
        }

    # --- orders

    def create_order(self, call: Call) -> Response:
        external_id = _optional_text(call.json, "external_id")
        if known := self._store.order_of(external_id) if external_id else None:
            return self._repeated(known, call)
        wanted = self._validated(call.json)
        if call.struck_by == "wrong_amount":
            wanted["denomination"] += 1
        waits = call.struck_by == "pending_approval"
        with self._store.transaction():
            order_id = self._insert_order(external_id, call.json, wanted, waits)
            if not waits:
                self._execute(order_id)
        return JSONResponse({"order": self._order(order_id, call.base_url)}, 202 if waits else 200)

    def list_orders(self, call: Call) -> Response:
        bounds = {"created_at >= ?": "created_at[gte]", "created_at <= ?": "created_at[lte]"}
        where = {"external_id = ?": "external_id"} | bounds
        given = {clause: call.query[name] for clause, name in where.items() if name in call.query}
        condition = " AND ".join(["1", *given])
        count = self._store.count(f"SELECT count(*) FROM orders WHERE {condition}", *given.values())
        page = f"SELECT id FROM orders WHERE {condition} ORDER BY n DESC LIMIT ? OFFSET ?"
        rows = self._store.all(page, *given.values(), *_page(call.query))
        return JSONResponse({"orders": [self._order(row["id"]) for row in rows], "total_count": count})

    def get_order(self, call: Call) -> Response:
        return JSONResponse({"order": self._order(self._known_order(call)["id"])})

    def approve_order(self, call: Call) -> Response:
        order = self._awaiting_approval(call)
        with self._store.transaction():
            self._execute(order["id"])
            self._courier.notify("ORDERS.APPROVED", "orders", order["id"])
        return JSONResponse({"order": self._order(order["id"])})

    def reject_order(self, call: Call) -> Response:
        order = self._awaiting_approval(call)
        with self._store.transaction():
            self._store.write("UPDATE orders SET status = 'CANCELED' WHERE id = ?", order["id"])
            self._courier.notify("ORDERS.CANCELED", "orders", order["id"])
        return JSONResponse({"order": self._order(order["id"])})

    def _repeated(self, known: sqlite3.Row, call: Call) -> Response:
        if known["request"] != canonical(call.json):
            raise WireError(409, "An order with this external_id and other parameters exists already")
        return JSONResponse({"order": self._order(known["id"], call.base_url)}, 201)

    def _validated(self, order: dict[str, Any]) -> dict[str, Any]:
        """The columns of the card that is wanted; raises WireError that names the field."""
        self._check_funding(order)
        reward = order.get("reward")
        if not isinstance(reward, dict):
            raise WireError(422, "Order failed: validation failure", {"reward": "reward is missing"})
        method = _dict(reward, "delivery").get("method", "EMAIL")
        if method not in _METHODS:
            raise _bad_reward(400, {"delivery": {"method": f"must be one of {', '.join(_METHODS)}"}})
        recipient, meta = _dict(reward, "recipient"), _dict(_dict(reward, "delivery"), "meta")
        email = _optional_text(recipient, "email")
        if (method == "EMAIL" or email) and not _EMAIL.fullmatch(email or ""):
            raise _bad_reward(400, {"recipient": {"email": "is not a valid e-mail address"}})
        product, denomination, currency = self._validated_value(reward)
        return {
            "product_id": product.id,
            "denomination": denomination,
            "currency_code": currency,
            "name": _optional_text(recipient, "name"),
            "email": email,
            "method": method,
            "sender_name": _optional_text(meta, "sender_name"),
            "message": _optional_text(meta, "message"),
        }

    def _check_funding(self, order: dict[str, Any]) -> None:
        source = _dict(order, "payment").get("funding_source_id")
        if not source:
            problem = {"payment": {"funding_source_id": "funding_source_id is missing"}}
            raise WireError(422, "Order failed: validation failure", problem)
        if str(source).upper() not in ("BALANCE", BALANCE_ID):
            problem = {"payment": {"funding_source_id": "does not exist"}}
            raise WireError(400, "Order failed: validation failure", problem)

    def _validated_value(self, reward: dict[str, Any]) -> tuple[Product, Decimal, str]:
        names = reward.get("products")
        on_sale = {product.id: product for product in self._on_sale()}
        products = [on_sale[name] for name in map(str, names) if name in on_sale] if isinstance(names, list) else []
        if not products:
            raise _bad_reward(400, {"products": "At least one valid product required"})
        value = _dict(reward, "value")
        currency = value.get("currency_code", "USD")
        if not isinstance(currency, str) or currency not in US_CENTS_FOR_ONE:
            raise _bad_reward(400, {"value": {"currency_code": "is not supported"}})
        denomination = _decimal(value.get("denomination"))
        fitting = [product for product in products if product.accepts(denomination, currency)]
        if not fitting:
            raise _bad_reward(422, {"value": {"denomination": "is not offered by any of the products"}})
        return fitting[0], denomination, currency

    def _insert_order(
        self, external_id: str | None, request: dict[str, Any], wanted: dict[str, Any], waits: bool
    ) -> str:
        order_id, now = new_id(), instant()
        self._store.insert(
            "orders",
            id=order_id,
            external_id=external_id,
            request=canonical(request),
            created_at=now,
            status="PENDING APPROVAL" if waits else "OPEN",
            total_cents=us_cents(wanted["denomination"], wanted["currency_code"]),
            refunded_cents=0,
        )
        card = wanted | {"denomination": str(wanted["denomination"])}
        self._store.insert("rewards", id=new_id(), order_id=order_id, created_at=now, delivery="PENDING", **card)
        self._courier.notify("ORDERS.CREATED", "orders", order_id)
        return order_id

    def _execute(self, order_id: str) -> None:
        """The order is paid from the balance and its card issued; raises 402 where the balance does not suffice."""
        order, (reward,) = self._store.order_of(order_id), self._store.rewards_of(order_id)
        assert order is not None
        if order["total_cents"] > self._store.available_cents():
            raise WireError(402, "Insufficient funds: your balance is too low for this order")
        self._store.write("UPDATE account SET available_cents = available_cents - ?", order["total_cents"])
        self._store.write("UPDATE orders SET status = 'EXECUTED' WHERE id = ?", order_id)
        self._store.write("UPDATE rewards SET issued = 1, delivery = 'SUCCEEDED' WHERE id = ?", reward["id"])
        self._courier.notify("REWARDS.CREATED", "rewards", reward["id"])
        if reward["method"] == "EMAIL":
            self._courier.deliver_soon(reward["id"])

    def _known_order(self, call: Call) -> sqlite3.Row:
        order = self._store.order_of(call.path["id"])
        if order is None:
            raise WireError(404, "Order not found")
        return order

    def _awaiting_approval(self, call: Call) -> sqlite3.Row:
        order = self._known_order(call)
        if order["status"] != "PENDING APPROVAL":
            raise WireError(422, "Order is not awaiting approval")
        return order

    def _order(self, order_id: str, link_base_url: str | None = None) -> dict[str, Any]:
        """The order as shown; only the answer to its creation carries the link of a LINK reward."""
        order = self._store.order_of(order_id)
        assert order is not None
        shown = {
            "id": order["id"],
            "external_id": order["external_id"],
            "created_at": order["created_at"],
            "status": order["status"],
            "channel": "API",
            "rewards": [self._reward(reward, link_base_url) for reward in self._store.rewards_of(order_id)],
        }
        paid = order["status"] in ("EXECUTED", "CANCELED") and any(
            reward["issued"] for reward in self._store.rewards_of(order_id)
        )
        return shown | ({"payment": _payment(order)} if paid else {})

    # --- rewards

    def list_rewards(self, call: Call) -> Response:
        rows = self._store.all("SELECT * FROM rewards ORDER BY n DESC LIMIT ? OFFSET ?", *_page(call.query))
        count = self._store.count("SELECT count(*) FROM rewards")
        return JSONResponse({"rewards": [self._reward(row) for row in rows], "total_count": count})

    def get_reward(self, call: Call) -> Response:
        return JSONResponse({"reward": self._reward(self._known_reward(call))})

    def generate_link(self, call: Call) -> Response:
        reward = self._known_reward(call)
        if not reward["issued"] or reward["cancelled"]:
            raise WireError(403, "No link can be generated for this reward")
        return JSONResponse({"reward": {"id": reward["id"], "link": self._new_link(reward["id"], call.base_url)}})

    def resend_reward(self, call: Call) -> Response:
        reward = self._with_failed_delivery(call, "resent")
        email = _optional_text(call.json, "updated_email") or reward["email"]
        if not _EMAIL.fullmatch(email):
            raise WireError(422, "Reward cannot be resent", {"updated_email": "is not a valid e-mail address"})
        with self._store.transaction():
            self._store.write("UPDATE rewards SET email = ? WHERE id = ?", email, reward["id"])
            self._courier.deliver_soon(reward["id"])
        return JSONResponse({})

    def cancel_reward(self, call: Call) -> Response:
        reward = self._with_failed_delivery(call, "canceled")
        with self._store.transaction():
            order = self._store.order_of(reward["order_id"])
            assert order is not None
            refund = "UPDATE orders SET status = 'CANCELED', refunded_cents = total_cents WHERE id = ?"
            self._store.write("UPDATE rewards SET cancelled = 1 WHERE id = ?", reward["id"])
            self._store.write(refund, order["id"])
            self._store.write("UPDATE account SET available_cents = available_cents + ?", order["total_cents"])
            self._courier.notify("REWARDS.CANCELED", "rewards", reward["id"])
            self._courier.notify("ORDERS.CANCELED", "orders", order["id"])
        return JSONResponse({})

    def _known_reward(self, call: Call) -> sqlite3.Row:
        reward = self._store.reward(call.path["id"])
        if reward is None:
            raise WireError(404, "Reward not found")
        return reward

    def _with_failed_delivery(self, call: Call, change: str) -> sqlite3.Row:
        reward = self._known_reward(call)
        if reward["delivery"] != "FAILED" or reward["cancelled"] or reward["redeemed"]:
            raise WireError(422, f"Only rewards with a delivery failure can be {change}")
        return reward

    def _reward(self, reward: sqlite3.Row, link_base_url: str | None = None) -> dict[str, Any]:
        delivery = {"method": reward["method"], "status": reward["delivery"]}
        if link_base_url and reward["method"] == "LINK" and reward["issued"]:
            delivery["link"] = self._new_link(reward["id"], link_base_url)
        return {
            "id": reward["id"],
            "order_id": reward["order_id"],
            "created_at": reward["created_at"],
            "expires_at": None,
            "value": {
                "denomination": number(Decimal(reward["denomination"])),
                "currency_code": reward["currency_code"],
            },
            "recipient": {"name": reward["name"], "email": reward["email"], "phone": None},
            "deliver_at": reward["created_at"][:10],
            "custom_fields": [],
            "delivery": delivery,
        }

    def _new_link(self, reward_id: str, base_url: str) -> str:
        token = secrets.token_urlsafe(24)
        self._store.insert("links", token=token, reward_id=reward_id)
        return f"{base_url}/rewards/payout/{token}"

    # --- webhooks

    def list_webhooks(self, call: Call) -> Response:
        webhook = self._store.webhook()
        return JSONResponse({"webhooks": [dict(webhook)] if webhook else []})

    def create_webhook(self, call: Call) -> Response:
        url = _optional_text(call.json, "url")
        if not url or not url.startswith(("http://", "https://")):
            raise WireError(400, "Webhook could not be created", {"url": "is not a valid URL"})
        return JSONResponse({"webhook": self.set_webhook(url, None)})

    def get_webhook(self, call: Call) -> Response:
        return JSONResponse({"webhook": dict(self._known_webhook(call))})

    def delete_webhook(self, call: Call) -> Response:
        self._store.write("DELETE FROM webhook WHERE id = ?", self._known_webhook(call)["id"])
        return Response(status_code=204)

    def list_webhook_events(self, call: Call) -> Response:
        self._known_webhook(call)
        return JSONResponse({"events": list(EVENTS)})

    def simulate_webhook(self, call: Call) -> Response:
        self._known_webhook(call)
        event = call.json.get("event")
        if event not in EVENTS:
            raise WireError(422, "Webhook could not be simulated", {"event": "is not a known event"})
        self._courier.notify(event, event.split(".")[0].lower(), new_id())
        return JSONResponse("")

    def set_webhook(self, url: str, private_key: str | None) -> dict[str, str]:
        """The organisation's one endpoint is at `url`; its id and key stay as they are unless a key is given."""
        known = self._store.webhook()
        webhook = {
            "id": known["id"] if known else new_id(),
            "url": url,
            "private_key": private_key or (known["private_key"] if known else secrets.token_hex(32)),
        }
        with self._store.transaction():
            self._store.write("DELETE FROM webhook")
            self._store.insert("webhook", **webhook)
        return webhook

    def _known_webhook(self, call: Call) -> sqlite3.Row:
        webhook = self._store.webhook()
        if webhook is None or webhook["id"] != call.path["id"]:
            raise WireError(404, "Webhook not found")
        return webhook


class _Dropped(Response):
    """The head of an answer and then a closed connection: the caller cannot know what happened."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _struck(fault: Fault, handler: Handler, call: Call, request: Request) -> Response:
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "error":
            return JSONResponse({"errors": {"message": "Internal error", "payload": {}}}, fault.status)
        case "drop":
            return _Dropped()
        case "garbage":
            return _garbage()
        case "rate_limited":
            return _too_many(fault.retry_after)
        case "unauthorized":
            raise _unauthorised()
        case "funds_missing":
            raise WireError(402, "Insufficient funds: your balance is too low for this order")
        case "invalid_denomination":
            raise _bad_reward(422, {"value": {"denomination": "is not offered by any of the products"}})
    answer = handler(call)
    match fault.kind:
        case "timeout_after_success":
            await _hang(request, fault.seconds)
        case "drop_after_success":
            return _Dropped()
        case "error_after_success":
            return JSONResponse({"errors": {"message": "Internal error", "payload": {}}}, fault.status)
        case "garbage_after_success":
            return _garbage()
    return answer


async def _hang(request: Request, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass


def _garbage() -> Response:
    return Response(b'<html>\x00\xff{"order": ', 200, {"content-type": "text/html"})


def _too_many(retry_after: int) -> Response:
    body = {"errors": {"message": "Too many requests", "payload": {}}}
    return JSONResponse(body, 429, {"retry-after": str(retry_after)})


def _authorise(header: str) -> None:
    if not re.fullmatch(r"Bearer TEST_[A-Za-z0-9_-]+", header):
        raise _unauthorised()


def _unauthorised() -> WireError:
    return WireError(401, "Authorization failed: the API key is invalid or missing")


def _bad_reward(status: int, problem: dict[str, Any]) -> WireError:
    return WireError(status, "Order failed: validation failure", {"reward": problem})


async def _json(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_BYTES_MAX:
            raise WireError(413, "Request body too large")
    try:
        found = json.loads(body, parse_float=Decimal) if body.strip() else {}
    except (ValueError, RecursionError):
        raise WireError(400, "Request body is not valid JSON") from None
    if not isinstance(found, dict):
        raise WireError(400, "Request body is not a JSON object")
    return found


def _payment(order: sqlite3.Row) -> dict[str, Any]:
    total = number(Decimal(order["total_cents"]) / 100)
    shown: dict[str, Any] = {"subtotal": total, "total": total, "fees": 0, "discount": 0, "currency_code": "USD"}
    if order["refunded_cents"]:
        shown["refund"] = {"total": number(Decimal(order["refunded_cents"]) / 100), "currency_code": "USD"}
    return shown


def _page(query: dict[str, str]) -> tuple[int, int]:
    try:
        return min(max(int(query.get("limit", PAGE_DEFAULT)), 1), PAGE_MAX), max(int(query.get("offset", 0)), 0)
    except ValueError:
        raise WireError(400, "limit and offset are whole numbers") from None


def _dict(found: dict[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _optional_text(found: dict[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise WireError(400, "Order failed: validation failure", {name: "is not a string"})
    return value


def _decimal(value: Any) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount <= 0:
        raise _bad_reward(422, {"value": {"denomination": "is not a positive number"}})
    return amount
