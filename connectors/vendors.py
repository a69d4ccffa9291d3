"""The contract that every vendor keeps, and the vendors by kind."""

import hashlib
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from connectors.breakers import Breaker
from connectors.http import Bounds
from connectors.tremendous import Tremendous
from domain.connections import Connection
from domain.notices import Matters, Notice
from domain.vendors import (
    FundingSource,
    GiftLink,
    NoticeKind,
    VendorCapabilities,
    VendorNotice,
    VendorOrder,
    VendorProduct,
    VendorRequest,
)


class Vendor(Protocol):
    """Orders cards from one account at one vendor. Any call may raise the tree in `connectors.errors`.

    Reads raise Unavailable, GarbledAnswer, Unauthorized or Rejected and have been retried a little already. Writes are
    sent once and raise Unavailable only if nothing was sent or the vendor said that it did nothing, Ambiguous if that
    is not known: then `find` or `get` tells what is true before anything is tried again.

    `Rejected.code` is one of: invalid_denomination, invalid_recipient, item_unavailable, invalid_funding_source,
    conflict (the key exists with another body), not_found, not_cancellable, not_resendable, unauthorized,
    funds_missing, rejected (anything else; `detail` has the vendor's words).
    """

    kind: ClassVar[str]
    capabilities: ClassVar[VendorCapabilities]

    def __init__(self, base_url: str, secret: str, breaker: Breaker, bounds: Bounds | None = None) -> None: ...

    @staticmethod
    def base_url(secret: str) -> str:
        """Where the API of this credential's realm is reached."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether orders cost real money; a credential that is not known to be for tests counts as live."""
        ...

    async def catalog(self) -> list[VendorProduct]:
        """All products that this account can order now."""
        ...

    async def funding(self) -> list[FundingSource]:
        """The account's sources of money with what they have left."""
        ...

    @staticmethod
    def request_body(request: VendorRequest) -> bytes:
        """The bytes to place: pure and complete, so that they can be stored before anything is sent."""
        ...

    async def place(self, key: str, body: bytes) -> VendorOrder:
        """The one order under `key`, made now or found to exist already with the same body.

        After Ambiguous the caller asks `find(key)` before it decides; placing the stored body again under the same key
        is safe, another key never is. FundsMissing: nothing was ordered and the same body succeeds once the account
        is funded. Any other Rejected: nothing was ordered.
        """
        ...

    async def find(self, key: str) -> VendorOrder | None:
        """The order that was placed under `key`, or None if the vendor knows none."""
        ...

    async def find_by_reward(self, reward_id: str) -> VendorOrder | None:
        """The order that a card belongs to; for notices that name only the card."""
        ...

    async def get(self, vendor_order_id: str) -> VendorOrder:
        """The order as it is now; Rejected with not_found if there is none."""
        ...

    async def link(self, reward_id: str) -> GiftLink:
        """A link that claims the card; each call may make a new one."""
        ...

    async def cancel(self, reward_id: str) -> None:
        """The card is worth nothing and its price comes back; Rejected with not_cancellable outside `cancel_when`."""
        ...

    async def resend(self, reward_id: str, email: str | None = None) -> None:
        """The card is sent again, to `email` if given; Rejected with not_resendable outside `resend_when`."""
        ...

    @staticmethod
    def parse_notice(body: bytes, headers: Mapping[str, str], secret: str) -> VendorNotice:
        """The notice, once its signature over the raw body is verified in constant time.

        `headers` has lower-case names. Raises BadSignature before anything is parsed, MalformedNotice after.
        """
        ...

    async def aclose(self) -> None:
        """No connection is left open."""
        ...


VENDORS: dict[str, type[Vendor]] = {Tremendous.kind: Tremendous}

# By kind, the frozen bytes of a request: pure, so that an order stores them before anything is sent.
REQUEST_BODIES: dict[str, Callable[[VendorRequest], bytes]] = {
    kind: vendor.request_body for kind, vendor in VENDORS.items()
}


class Vendors:
    """The vendors behind this process's connections: one client each, and a breaker that survives new credentials."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds
        self._breakers: dict[str, Breaker] = {}
        self._open: dict[str, tuple[bytes, Vendor]] = {}

    async def of(self, connection: Connection) -> Vendor:
        """The vendor of the connection with the credentials that it has now; raises KeyError for another kind."""
        kind = VENDORS[connection.kind]
        secret = connection.secrets["api_key"]
        base_url = connection.config.get("base_url") or kind.base_url(secret)
        made_of = hashlib.sha256(f"{base_url}\n{secret}".encode()).digest()
        known = self._open.get(connection.id)
        if known is not None and known[0] == made_of:
            return known[1]
        breaker = self._breakers.setdefault(connection.id, Breaker(connection.kind))
        vendor = kind(base_url, secret, breaker, self._bounds)
        self._open[connection.id] = (made_of, vendor)
        if known is not None:
            await known[1].aclose()
        return vendor

    async def aclose(self) -> None:
        """No connection is left open."""
        for _, vendor in self._open.values():
            await vendor.aclose()
        self._open.clear()


def notice(told: VendorNotice) -> Notice:
    """What a verified notice asks for: its order or card to be looked at, or the whole account, or nothing."""
    asks = {
        NoticeKind.ORDER: f"order/{told.resource_id}",
        NoticeKind.REWARD: f"reward/{told.resource_id}",
        NoticeKind.FUNDING: "funding",
        NoticeKind.CATALOG: "catalog",
    }
    return Notice(
        notice_key=told.notice_key,
        object_id=asks.get(told.kind, told.resource_id),
        kind=told.event,
        occurred_at=told.occurred_at,
        matters=Matters.ALWAYS if told.kind in asks else Matters.NEVER,
        raw={"failure_reason": told.failure_reason, "retryable": told.retryable},
    )
