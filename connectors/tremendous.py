"""Tremendous' API, version 2 (developers.tremendous.com), as a vendor.

Its quirks: a repeated external_id answers 201 with the first order, another body under it 409; amounts are decimals in
major units; it does not repeat an order's products; delivery reasons come only in notices; its notices are signed
without a time, so that only their uuid tells a replay.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

import orjson

from connectors.breakers import Breaker
from connectors.errors import (
    Ambiguous,
    BadSignature,
    FundsMissing,
    GarbledAnswer,
    MalformedNotice,
    Rejected,
    Unauthorized,
)
from connectors.http import Answer, Bounds, Outside
from domain.vendors import (
    Band,
    DeliveryMethod,
    DeliveryState,
    FundingSource,
    GiftLink,
    Money,
    NoticeKind,
    VendorCapabilities,
    VendorNotice,
    VendorOrder,
    VendorOrderState,
    VendorProduct,
    VendorRequest,
    VendorReward,
)

T = TypeVar("T")

LIVE_URL = "https://api.tremendous.com/api/v2/"
SANDBOX_URL = "https://testflight.tremendous.com/api/v2/"

_DETAIL_CHARACTERS = 200
_NOTICE_TEXT_CHARACTERS = 200
_TEST_PREFIX = "TEST_"
_SIGNATURE_HEADER = "tremendous-webhook-signature"

_ORDER_STATES = {
    "EXECUTED": VendorOrderState.ACCEPTED,
    "FAILED": VendorOrderState.FAILED,
    "CANCELED": VendorOrderState.CANCELLED,
}
_DELIVERY_STATES = {"SUCCEEDED": DeliveryState.SUCCEEDED, "FAILED": DeliveryState.FAILED}
_NOTICE_KINDS = {
    "ORDERS": NoticeKind.ORDER,
    "REWARDS": NoticeKind.REWARD,
    "FUNDING_SOURCES": NoticeKind.FUNDING,
    "PRODUCTS": NoticeKind.CATALOG,
}
# What the answer to the order, or the look-up after one that was lost, has told already.
_TOLD_BEFORE = ("ORDERS.CREATED", "REWARDS.CREATED")
# Which part of the request they found wrong, by the name of the innermost field that their errors' payload mirrors.
_CODES = {
    "denomination": "invalid_denomination",
    "currency_code": "invalid_denomination",
    "value": "invalid_denomination",
    "email": "invalid_recipient",
    "updated_email": "invalid_recipient",
    "name": "invalid_recipient",
    "recipient": "invalid_recipient",
    "products": "item_unavailable",
    "catalog": "item_unavailable",
    "funding_source_id": "invalid_funding_source",
}


class Tremendous:
    kind: ClassVar[str] = "tremendous"
    capabilities: ClassVar[VendorCapabilities] = VendorCapabilities(
        delivery_methods=(DeliveryMethod.EMAIL, DeliveryMethod.LINK),
        cancel_when=(DeliveryState.FAILED,),
        resend_when=(DeliveryState.FAILED,),
        sends_notices=True,
        tells_redemption=False,
        charges_fees=True,
        requests_per_second=10,
    )

    def __init__(self, base_url: str, secret: str, breaker: Breaker, bounds: Bounds | None = None) -> None:
        self._live = not secret.startswith(_TEST_PREFIX)
        headers = {"authorization": f"Bearer {secret}", "accept": "application/json"}
        self._outside = Outside(base_url, headers=headers, breaker=breaker, refuse=_refusal, bounds=bounds)

    @staticmethod
    def base_url(secret: str) -> str:
        return SANDBOX_URL if secret.startswith(_TEST_PREFIX) else LIVE_URL

    @property
    def is_live(self) -> bool:
        return self._live

    async def catalog(self) -> list[VendorProduct]:
        answer = await self._outside.read("products")
        return _understood(answer, lambda found: [_product(product) for product in found["products"]])

    async def funding(self) -> list[FundingSource]:
        answer = await self._outside.read("funding_sources")
        return _understood(answer, lambda found: [_funding_source(source) for source in found["funding_sources"]])

    @staticmethod
    def request_body(request: VendorRequest) -> bytes:
        reward: dict[str, Any] = {
            "products": [request.product_code],
            "value": {
                "denomination": orjson.Fragment(str(request.money.amount)),
                "currency_code": request.money.currency,
            },
            "recipient": {"name": request.recipient_name, "email": request.recipient_email},
            "delivery": {"method": request.delivery.upper()},
        }
        meta = {"sender_name": request.sender_name, "message": request.message}
        if spoken := {name: text for name, text in meta.items() if text is not None}:
            reward["delivery"]["meta"] = spoken
        payment = {"funding_source_id": request.funding_source_id or "BALANCE"}
        return orjson.dumps({"external_id": request.key, "payment": payment, "reward": reward})

    async def place(self, key: str, body: bytes) -> VendorOrder:
        answer = await self._outside.write("POST", "orders", body)
        return _made(answer, lambda made: _order(made["order"]))

    async def find(self, key: str) -> VendorOrder | None:
        answer = await self._outside.read("orders", {"external_id": key})
        found = _understood(answer, lambda page: [_order(order) for order in page["orders"]])
        orders = [order for order in found if order.external_id == key]
        if len(orders) > 1:
            raise GarbledAnswer(self.kind, f"{len(orders)} orders under the key {key}")
        return orders[0] if orders else None

    async def find_by_reward(self, reward_id: str) -> VendorOrder | None:
        try:
            answer = await self._outside.read(f"rewards/{_segment(reward_id)}")
        except Rejected as error:
            if error.code == "not_found":
                return None
            raise
        return await self.get(_understood(answer, lambda found: str(found["reward"]["order_id"])))

    async def get(self, vendor_order_id: str) -> VendorOrder:
        answer = await self._outside.read(f"orders/{_segment(vendor_order_id)}")
        return _understood(answer, lambda found: _order(found["order"]))

    async def link(self, reward_id: str) -> GiftLink:
        answer = await self._outside.write("POST", f"rewards/{_segment(reward_id)}/generate_link")
        return _made(answer, lambda made: GiftLink(_text(made["reward"]["link"])))

    async def cancel(self, reward_id: str) -> None:
        await self._change(f"rewards/{_segment(reward_id)}/cancel", b"", "not_cancellable")

    async def resend(self, reward_id: str, email: str | None = None) -> None:
        body = orjson.dumps({"updated_email": email}) if email else b""
        await self._change(f"rewards/{_segment(reward_id)}/resend", body, "not_resendable")

    @staticmethod
    def parse_notice(body: bytes, headers: Mapping[str, str], secret: str) -> VendorNotice:
        given = headers.get(_SIGNATURE_HEADER, "").encode("utf-8", "replace")
        right = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not secret or not hmac.compare_digest(given, right.encode()):
            raise BadSignature("the signature is not of this body and this connection's secret")
        try:
            return _notice(json.loads(body))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise MalformedNotice(f"a signed notice of another shape ({type(error).__name__})") from None

    async def aclose(self) -> None:
        await self._outside.aclose()

    async def _change(self, path: str, body: bytes, code: str) -> None:
        try:
            await self._outside.write("POST", path, body)
        except Rejected as error:
            if error.status == 422 and error.code == "rejected":
                raise Rejected(self.kind, error.status, code, error.detail) from None
            raise


def _understood(answer: Answer, read: Callable[[Any], T]) -> T:
    found = answer.json()
    try:
        return read(found)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise GarbledAnswer(answer.system, f"an answer of another shape ({type(error).__name__})") from None


def _made(answer: Answer, read: Callable[[Any], T]) -> T:
    """The answer to a write: one that cannot be understood leaves open what was done."""
    try:
        return _understood(answer, read)
    except GarbledAnswer as error:
        raise Ambiguous(answer.system, f"status {answer.status} to a write, with {error}") from None


def _product(found: dict[str, Any]) -> VendorProduct:
    return VendorProduct(
        code=_text(found["id"]),
        name=_text(found["name"]),
        description=_text(found["description"]),
        category=found.get("subcategory") or _text(found["category"]),
        image_url=_image_url(found["images"]),
        countries=tuple(_text(country["abbr"]) for country in found["countries"]),
        currencies=tuple(map(_text, found["currency_codes"])),
        bands=tuple(_band(sku) for sku in found.get("skus") or ()),
        terms=_text(found["disclosure"]),
        usage=found.get("usage_instructions") or "",
    )


def _image_url(images: list[dict[str, str]]) -> str | None:
    """The picture of the card rather than the logo."""
    by_type = {image["type"]: image["src"] for image in images}
    return by_type.get("card") or next(iter(by_type.values()), None)


def _band(sku: dict[str, Any]) -> Band:
    least, most = _money(sku["min"], sku["currency_code"]), _money(sku["max"], sku["currency_code"])
    return Band(least.amount_minor, most.amount_minor, least.currency)


def _funding_source(found: dict[str, Any]) -> FundingSource:
    meta = found["meta"]
    currency = meta.get("currency_code")
    return FundingSource(
        funding_source_id=_text(found["id"]),
        method=_text(found["method"]),
        active=found.get("status", "active") == "active",
        available=_optional_money(meta.get("available_amount"), currency),
        pending=_optional_money(meta.get("pending_amount"), currency),
    )


def _order(found: dict[str, Any]) -> VendorOrder:
    payment = found.get("payment") or {}
    currency = payment.get("currency_code")
    return VendorOrder(
        vendor_order_id=_text(found["id"]),
        external_id=_optional_text(found.get("external_id")),
        state=_ORDER_STATES.get(found["status"], VendorOrderState.PENDING),
        rewards=tuple(_reward(reward) for reward in found.get("rewards") or ()),
        total=_optional_money(payment.get("total"), currency),
        fees=_optional_money(payment.get("fees"), currency),
        refunded=_optional_money((payment.get("refund") or {}).get("total"), currency),
    )


def _reward(found: dict[str, Any]) -> VendorReward:
    value, delivery = found["value"], found["delivery"]
    return VendorReward(
        reward_id=_text(found["id"]),
        money=_money(value["denomination"], value["currency_code"]),
        recipient_email=_optional_text((found.get("recipient") or {}).get("email")),
        product_codes=tuple(map(_text, found.get("products") or ())),
        method=DeliveryMethod(delivery["method"].lower()),
        delivery=_DELIVERY_STATES.get(delivery["status"], DeliveryState.PENDING),
        expires_at=_optional_instant(found.get("expires_at")),
    )


def _notice(found: dict[str, Any]) -> VendorNotice:
    event, resource, meta = _word(found["event"]), found["payload"]["resource"], found["payload"].get("meta") or {}
    return VendorNotice(
        notice_key=_word(found["uuid"]),
        kind=_notice_kind(event),
        event=event,
        resource_type=_word(resource["type"]),
        resource_id=_word(resource["id"]),
        occurred_at=_instant(found["created_utc"]),
        failure_reason=_word(meta["failure_reason"]) if meta.get("failure_reason") else None,
        retryable=meta["retryable"] if isinstance(meta.get("retryable"), bool) else None,
    )


def _refusal(answer: Answer) -> Rejected:
    code, detail = _reason(answer)
    by_status: dict[int, Callable[[], Rejected]] = {
        401: lambda: Unauthorized(answer.system, 401, "unauthorized", detail),
        402: lambda: FundsMissing(answer.system, 402, "funds_missing", detail),
        404: lambda: Rejected(answer.system, 404, "not_found", detail),
        409: lambda: Rejected(answer.system, 409, "conflict", detail),
    }
    return by_status.get(answer.status, lambda: Rejected(answer.system, answer.status, code, detail))()


def _reason(answer: Answer) -> tuple[str, str]:
    """Our code for the fields that they name, and their message without anybody's address."""
    try:
        said = answer.json()
        errors = said.get("errors") or said.get("error") or {}
        message = errors if isinstance(errors, str) else str(errors.get("message", ""))
        fields = [] if isinstance(errors, str) else list(_innermost(errors.get("payload") or {}))
    except (GarbledAnswer, AttributeError):
        return "rejected", ""
    code = next((_CODES[field] for field in fields if field in _CODES), "rejected")
    return code, re.sub(r"\S*@\S*", "(address)", message)[:_DETAIL_CHARACTERS]


def _innermost(payload: Any) -> Iterator[str]:
    if isinstance(payload, list):
        for part in payload:
            yield from _innermost(part)
    if isinstance(payload, dict):
        for field, inner in payload.items():
            yield from _innermost(inner)
            yield field


def _notice_kind(event: str) -> NoticeKind:
    return NoticeKind.OTHER if event in _TOLD_BEFORE else _NOTICE_KINDS.get(event.split(".")[0], NoticeKind.OTHER)


def _money(amount: Decimal | int, currency: str) -> Money:
    return Money.of(amount, _text(currency))


def _optional_money(amount: Decimal | int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else _money(amount, currency)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _word(value: Any) -> str:
    text = _text(value)
    if not 0 < len(text) <= _NOTICE_TEXT_CHARACTERS:
        raise ValueError("a text of unreasonable length")
    return text


def _segment(text: str) -> str:
    return quote(text, safe="")
