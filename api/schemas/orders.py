"""Orders as they are placed and shown; never a gift link."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.schemas.base import (
    Address,
    Currency,
    Document,
    Key,
    MemberId,
    Minor,
    Money,
    Name,
    PageQuery,
    Strict,
    Text,
)
from domain.orders import Delivery, Order, OrderRequest, OrderState, OrderStep
from domain.vendors import DeliveryMethod

OptionalMember = Annotated[str, StringConstraints(pattern=r"^mem_[0-9a-z]{26}$")] | None


class _Delivered(Strict):
    recipient_name: Name | None = Field(None, description="Who gets it; the member, if nobody is named.")
    recipient_email: Address | None = Field(
        None, description="Where it is sent; the member's address, if none is given."
    )
    delivery_method: Literal["email", "link"] = Field("email", description="By the vendor's e-mail, or as a link.")

    @property
    def delivery(self) -> dict[str, Any]:
        """As the domain takes it."""
        return {
            "recipient_name": self.recipient_name,
            "recipient_email": self.recipient_email,
            "delivery_method": DeliveryMethod(self.delivery_method),
        }


class OrderBody(_Delivered):
    """What a member wants for points."""

    member_id: MemberId
    item: Key = Field(description="A key of the catalog.")
    value_minor: Minor
    currency: Currency | None = Field(None, description="The item's currency, if given.")

    def request(self) -> OrderRequest:
        """As the domain takes it."""
        return OrderRequest(self.member_id, self.item, self.value_minor, self.currency, **self.delivery)


class ChoiceBody(_Delivered):
    """What a member chooses of a reward's items."""

    item: Key = Field(description="One of the reward's items.")


class ResolutionBody(Strict):
    """How an order leaves its review."""

    action: Literal["retry", "fulfil", "refund"] = Field(
        description="Ask the vendor again under the same key; vouch that the card arrived; or give the points back."
    )
    note: Text = Field(description="Why; for `fulfil` the proof.")


class AddressBody(Strict):
    """Another address for a card that bounced."""

    recipient_email: Address


class OrderStepDocument(Document):
    """One line of an order's record."""

    step: str
    state: str
    detail: dict[str, Any]
    actor: str
    recorded_at: datetime


class OrderDocument(Document):
    """An order as it stands."""

    id: str
    member_id: str
    reward_id: str | None
    item: str
    item_name: str
    value: Money
    price_points: int
    recipient_name: str
    recipient_email: str
    delivery_method: Literal["email", "link"]
    state: OrderState
    reason: str | None
    delivery: Delivery
    vendor_order_id: str | None
    created_at: datetime
    updated_at: datetime
    steps: list[OrderStepDocument] | None = Field(None, description="What happened, in order; of a single order only.")


class LinkDocument(Document):
    """The link of a card: whoever has it has the card."""

    link: str


class OrderQuery(PageQuery):
    """Which orders to list."""

    member_id: OptionalMember = None
    state: OrderState | None = None


_SHOWN = (
    "id", "member_id", "reward_id", "item", "item_name", "price_points", "recipient_name", "recipient_email",
    "delivery_method", "state", "reason", "delivery", "vendor_order_id", "created_at", "updated_at",
)  # fmt: skip


def order_document(order: Order, steps: list[OrderStep] | None = None) -> dict[str, Any]:
    """An order as OrderDocument."""
    document = {name: getattr(order, name) for name in _SHOWN}
    document["value"] = {"amount_minor": order.value.amount_minor, "currency": order.value.currency}
    if steps is not None:
        names = ("step", "state", "detail", "actor", "recorded_at")
        document["steps"] = [{name: getattr(step, name) for name in names} for step in steps]
    return document
