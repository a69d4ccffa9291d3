"""The steps of an order: each reads its row, asks the vendor at most one thing to change, and stores the answer.

Every step first makes sure that the order is where the step begins; where somebody else was first, it changes nothing
and tells how the order stands. A gift link goes from the vendor's answer into its encrypted column and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import failpoints
from activities.outside import retried
from connectors.errors import Ambiguous, FundsMissing, Rejected, Unauthorized
from connectors.vendors import Vendor, Vendors
from domain.notifications import Telling
from domain.orders import (
    ARROWS,
    MAX_SAME_ADDRESS,
    SAME_ADDRESS,
    Answer,
    Delivery,
    DeliveryEvent,
    Order,
    OrderEvent,
    OrderState,
    delivery_event,
    has_funds,
    is_void,
    judge,
    vendor_request,
)
from domain.programs import ProgramKind
from domain.rewards import RewardEvent, RewardState
from domain.sentences import Sentence, sentence
from domain.time import Clock
from domain.vendors import DeliveryMethod, VendorOrder
from storage import notifications, orders, rewards
from storage.database import Database
from storage.keyring import Keyring
from storage.orders import VendorTask

# The failure of a step that would reach a live vendor for a sandbox program, or the other way.
WRONG_REALM = "WrongRealm"

WORKFLOW = "workflow"  # the actor of what nobody did by hand

_RESENT = f"delivery_{DeliveryEvent.RESEND}"
_TO_BEGIN = (OrderState.PLACED, OrderState.AWAITING_FUNDS)
_TO_LOOK_UP = (OrderState.UNANSWERED, OrderState.REJECTED, OrderState.ORDERED)

# The vendor has the key with another body, or our account is set up wrongly: a person must look.
_NEEDS_A_PERSON = frozenset({"conflict", "invalid_funding_source"})


@dataclass(frozen=True, slots=True)
class OrderAt:
    """Which order, and the workflow's time."""

    program_id: str
    order_id: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class OrderToReview:
    """An order that its workflow cannot get on with, and why."""

    at: OrderAt
    reason: str


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """How the order stands: all that its workflow decides from. `since` is when that began."""

    state: OrderState
    delivery: Delivery
    reason: str | None
    since: datetime
    title: str
    needs_link: bool


def status(order: Order) -> OrderStatus:
    """The order as its workflow sees it."""
    needs_link = order.delivery_method is DeliveryMethod.LINK and not order.has_link
    return OrderStatus(order.state, order.delivery, order.reason, order.updated_at, order.title, needs_link)


class OrderActivities:
    """Holds what the steps need; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, keyring: Keyring, vendors: Vendors, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._vendors = vendors
        self._clock = clock

    # -- Before the vendor -----------------------------------------------------------------------------------------

    @activity.defn
    async def read_order(self, at: OrderAt) -> OrderStatus:
        """How the order stands."""
        async with self._database.begin() as session:
            return status(await orders.get(session, at.program_id, at.order_id))

    @activity.defn
    async def begin_order(self, at: OrderAt) -> OrderStatus:
        """It is on its way to the vendor if the program's orders run and the vendor has the money; else it waits."""
        task = await self._read(at)
        if task.order.state not in _TO_BEGIN:
            return status(task.order)
        event, reason = await self._may_begin(task)
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            if order.state in _TO_BEGIN and _may(order.state, event):
                order = await self._move(session, order, event, at, reason=reason)
            return status(order)

    async def _may_begin(self, task: VendorTask) -> tuple[OrderEvent, str | None]:
        if task.are_paused:
            return OrderEvent.PAUSE, None
        if task.connection is None:
            return OrderEvent.REVIEW, "by_hand"
        vendor = await self._vendors.of(task.connection)
        if vendor.is_live != (task.program_kind is ProgramKind.LIVE):
            return OrderEvent.REVIEW, "wrong_realm"
        try:
            with retried(Unauthorized):
                sources = await vendor.funding()
        except Unauthorized:
            return OrderEvent.REVIEW, "unauthorized"
        funded = has_funds(sources, task.order.value, task.connection.config.get("funding_source_id"))
        return (OrderEvent.BEGIN, None) if funded else (OrderEvent.LACK_FUNDS, "funds_missing")

    @activity.defn
    async def resume_order(self, at: OrderAt) -> OrderStatus:
        """It may begin again if the program's orders run again."""
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            if order.state is OrderState.PAUSED and not await orders.are_paused(session, at.program_id):
                order = await self._move(session, order, OrderEvent.RESUME, at)
            return status(order)

    # -- At the vendor ---------------------------------------------------------------------------------------------

    @activity.defn
    async def place_order(self, at: OrderAt) -> OrderStatus:
        """The frozen request is sent under the order's key, and what came back is stored with what it means."""
        task = await self._read(at)
        if task.order.state is not OrderState.ORDERING:
            return status(task.order)
        vendor = await self._vendor(task)
        await failpoints.reached("before_place")
        answer, got = await self._place(vendor, task)
        await failpoints.reached("before_answer_stored")
        return await self._store_answer(at, answer, got)

    async def _place(self, vendor: Vendor, task: VendorTask) -> tuple[Answer, VendorOrder | None]:
        assert task.request_body is not None, "what has a vendor has a request to it"
        try:
            with retried(Ambiguous, Rejected):
                got = await vendor.place(task.order.id, task.request_body)
        except Ambiguous:
            return Answer(OrderEvent.LOSE_ANSWER, "no_answer"), None
        except FundsMissing:
            return Answer(OrderEvent.LACK_FUNDS, "funds_missing"), None
        except Rejected as refusal:
            return _refused(refusal), None
        await failpoints.reached("after_vendor_took_it")
        return judge(vendor_request(task.order), got), got

    @activity.defn
    async def look_up_order(self, at: OrderAt) -> OrderStatus:
        """What the vendor has under the order's key is known: its order, or that there is none."""
        task = await self._read(at)
        order = task.order
        if order.state not in _TO_LOOK_UP:
            return status(order)
        vendor = await self._vendor(task)
        with retried():
            got = await vendor.find(order.id)
        return await self._store_answer(at, _found(order, got), got)

    async def _store_answer(self, at: OrderAt, answer: Answer, got: VendorOrder | None) -> OrderStatus:
        async with self._database.begin() as session:
            releases = answer.event is OrderEvent.RELEASE
            order = await orders.lock(session, at.program_id, at.order_id, with_member=releases)
            if not _may(order.state, answer.event):
                return status(order)
            detail: dict[str, object] = {"differences": list(answer.differences)} if answer.differences else {}
            reason = order.reason if releases else answer.reason
            order = await self._move(
                session, order, answer.event, at, reason=reason, detail=detail | _told(got), changes=_ids(got)
            )
            return status(order)

    @activity.defn
    async def settle_order(self, at: OrderAt) -> OrderStatus:
        """What was held is spent, once, and the card is on its way."""
        await failpoints.reached("before_settle")
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id, with_member=True)
            if order.state is not OrderState.ACCEPTED:
                return status(order)
            await orders.settle_hold(session, order, now=self._now(at))
            sent = DeliveryEvent.SEND if order.delivery is Delivery.NONE else None
            return status(await self._move(session, order, OrderEvent.SETTLE, at, delivery=sent))

    # -- Delivery --------------------------------------------------------------------------------------------------

    @activity.defn
    async def check_delivery(self, at: OrderAt) -> OrderStatus:
        """What the vendor now tells of the card is stored: arrived, bounced, or nothing new."""
        task = await self._read(at)
        order = task.order
        if order.state is not OrderState.SENT or order.vendor_order_id is None:
            return status(order)
        vendor = await self._vendor(task)
        with retried():
            got = await vendor.get(order.vendor_order_id)
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            return status(await self.store_delivery(session, order, got, self._now(at)))

    async def store_delivery(
        self,
        session: AsyncSession,
        order: Order,
        got: VendorOrder,
        now: datetime,
        *,
        because: str | None = None,
        passing: bool = False,
    ) -> Order:
        """The locked order with the vendor's word about its card.

        `because` is why it bounced and `passing` whether the same address may take it later, if they said.
        """
        if order.state not in (OrderState.SENT, OrderState.DELIVERED) or not got.rewards:
            return order
        if is_void(got):
            return await self._void(session, order, now)
        event = delivery_event(order.delivery, got.rewards[0].delivery)
        if event is DeliveryEvent.BOUNCE:
            return await self._bounce(session, order, now, because, passing)
        if event is None or status(order).needs_link:
            return order
        moved = await orders.move(session, order, OrderEvent.DELIVER, actor=WORKFLOW, now=now, delivery=event)
        await _tell(session, moved, now)
        return moved

    async def _bounce(
        self, session: AsyncSession, order: Order, now: datetime, because: str | None, passing: bool
    ) -> Order:
        """The card came back: to the same address again, if that may help, else the member is asked for another."""
        by, event = WORKFLOW, DeliveryEvent.BOUNCE
        if order.state is OrderState.DELIVERED:
            late = OrderEvent.BOUNCE_LATE
            moved = await orders.move(session, order, late, actor=by, now=now, delivery=event, reason=because)
        else:
            moved = await orders.move_delivery(session, order, event, actor=by, now=now, reason=because)
        if passing and await orders.count_steps(session, order, _RESENT) < MAX_SAME_ADDRESS:
            again = DeliveryEvent.READDRESS
            return await orders.move_delivery(session, moved, again, actor=by, now=now, reason=SAME_ADDRESS)
        await _tell(session, moved, now)
        return moved

    async def _void(self, session: AsyncSession, order: Order, now: datetime) -> Order:
        if order.state is not OrderState.SENT:
            return order
        reason = "cancelled_at_vendor"
        moved = await orders.move(session, order, OrderEvent.REVIEW, actor=WORKFLOW, now=now, reason=reason)
        await _tell(session, moved, now)
        return moved

    @activity.defn
    async def fetch_link(self, at: OrderAt) -> OrderStatus:
        """The card's link is stored, encrypted, and the card counts as delivered."""
        task = await self._read(at)
        order = task.order
        if order.state is not OrderState.SENT or not status(order).needs_link or order.vendor_reward_id is None:
            return status(order)
        vendor = await self._vendor(task)
        with retried():
            link = await vendor.link(order.vendor_reward_id)
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            if order.state is not OrderState.SENT or order.has_link:
                return status(order)
            await orders.store_link(session, self._keyring, order, link)
            arrived = await self._move(session, order, OrderEvent.DELIVER, at, delivery=DeliveryEvent.ARRIVE)
            return status(arrived)

    @activity.defn
    async def resend_card(self, at: OrderAt) -> OrderStatus:
        """The card is sent to the new address; one that the vendor does not take is asked for again."""
        task = await self._read(at)
        order = task.order
        if order.delivery is not Delivery.READDRESSED or order.vendor_reward_id is None:
            return status(order)
        vendor = await self._vendor(task)
        event, reason = DeliveryEvent.RESEND, None
        try:
            with retried(Rejected):
                await vendor.resend(order.vendor_reward_id, order.recipient_email)
        except Rejected as refusal:
            # Not resendable: an earlier try has arrived there, and the next look at the delivery tells how it went.
            if refusal.code != "not_resendable":
                event, reason = DeliveryEvent.BOUNCE, refusal.code
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            if order.state is OrderState.SENT and order.delivery is Delivery.READDRESSED:
                now = self._now(at)
                order = await orders.move_delivery(session, order, event, actor=WORKFLOW, now=now, reason=reason)
                await _tell(session, order, now)
            return status(order)

    # -- Taking back -----------------------------------------------------------------------------------------------

    @activity.defn
    async def check_cancellation(self, at: OrderAt) -> OrderStatus:
        """The points are back if no card is out: none was ordered, or the vendor has taken it back."""
        task = await self._read(at)
        order = task.order
        if order.state is not OrderState.CANCELLING:
            return status(order)
        got = None
        if task.connection is not None:
            vendor = await self._vendor(task)
            with retried():
                got = await vendor.find(order.id)
        if got is None or is_void(got):
            return await self._refund(at, got)
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            await orders.set_vendor_ids(session, order, _ids(got))
            return status(order)

    @activity.defn
    async def cancel_card(self, at: OrderAt) -> OrderStatus:
        """The vendor takes the card back and the points are refunded; where that is not known, nothing changes."""
        task = await self._read(at)
        order = task.order
        if order.state is not OrderState.CANCELLING or order.vendor_reward_id is None:
            return status(order)
        vendor = await self._vendor(task)
        try:
            with retried(Ambiguous, Rejected):
                await vendor.cancel(order.vendor_reward_id)
        except (Ambiguous, Rejected) as refusal:
            return await self._note(at, "cancel_refused", {"reason": getattr(refusal, "code", "no_answer")})
        return await self._refund(at, None)

    async def _refund(self, at: OrderAt, got: VendorOrder | None) -> OrderStatus:
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id, with_member=True)
            if order.state is not OrderState.CANCELLING:
                return status(order)
            cancelled = None if order.delivery in (Delivery.NONE, Delivery.DELIVERED) else DeliveryEvent.CANCEL
            order = await self._move(
                session, order, OrderEvent.REFUND, at, delivery=cancelled, detail=_told(got), changes=_ids(got)
            )
            return status(order)

    @activity.defn
    async def review_order(self, review: OrderToReview) -> OrderStatus:
        """A person is asked to look at the order."""
        at = review.at
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            if _may(order.state, OrderEvent.REVIEW):
                order = await self._move(session, order, OrderEvent.REVIEW, at, reason=review.reason)
            return status(order)

    @activity.defn
    async def tell_of_absence(self, at: OrderAt) -> OrderStatus:
        """Administrators are told, once a day, that the order's vendor does not answer."""
        now = self._now(at)
        async with self._database.begin() as session:
            order = await orders.get(session, at.program_id, at.order_id)
            await _send(session, order, _vendor_away(order), _daily(order, now), now)
            return status(order)

    # -- Common to the steps ---------------------------------------------------------------------------------------

    async def _read(self, at: OrderAt) -> VendorTask:
        async with self._database.begin() as session:
            return await orders.read_task(session, self._keyring, at.program_id, at.order_id)

    async def _vendor(self, task: VendorTask) -> Vendor:
        assert task.connection is not None, "an order by hand never comes to a vendor's step"
        vendor = await self._vendors.of(task.connection)
        if vendor.is_live != (task.program_kind is ProgramKind.LIVE):
            message = f"a {task.program_kind} program must not reach this vendor"
            raise ApplicationError(message, type=WRONG_REALM, non_retryable=True)
        return vendor

    async def _move(
        self,
        session: AsyncSession,
        order: Order,
        event: OrderEvent,
        at: OrderAt,
        *,
        reason: str | None = None,
        delivery: DeliveryEvent | None = None,
        detail: Mapping[str, object] | None = None,
        changes: Mapping[str, object] = orders.NO_CHANGES,
    ) -> Order:
        """The locked order after the event; its points, its reward and the people concerned go with it."""
        now = self._now(at)
        moved = await orders.move(
            session,
            order,
            event,
            actor=WORKFLOW,
            now=now,
            reason=reason,
            delivery=delivery,
            detail=detail,
            changes=changes,
        )
        if moved.state in (OrderState.FAILED, OrderState.REFUNDED):
            await orders.give_back(session, moved, actor=WORKFLOW, now=now)
            await _reopen_reward(session, moved, now)
        await _tell(session, moved, now)
        return moved

    async def _note(self, at: OrderAt, step: str, detail: dict[str, object]) -> OrderStatus:
        async with self._database.begin() as session:
            order = await orders.lock(session, at.program_id, at.order_id)
            await orders.note(session, order, step, actor=WORKFLOW, now=self._now(at), detail=detail)
            return status(order)

    def _now(self, at: OrderAt) -> datetime:
        """The book's time: never before the workflow's, never before the process's."""
        return max(at.as_of, self._clock())


def _refused(refusal: Rejected) -> Answer:
    needs_a_person = isinstance(refusal, Unauthorized) or refusal.code in _NEEDS_A_PERSON
    return Answer(OrderEvent.REVIEW if needs_a_person else OrderEvent.REFUSE, refusal.code)


def _found(order: Order, got: VendorOrder | None) -> Answer:
    """What the look-up means where the order stands now."""
    if order.state is OrderState.REJECTED and (got is None or is_void(got)):
        return Answer(OrderEvent.RELEASE)
    if got is not None:
        return judge(vendor_request(order), got)
    if order.state is OrderState.ORDERED:
        return Answer(OrderEvent.REVIEW, "unknown_at_vendor")
    return Answer(OrderEvent.MISS)


def _may(state: OrderState, event: OrderEvent) -> bool:
    return (state, event) in ARROWS


def _ids(got: VendorOrder | None) -> dict[str, str]:
    if got is None:
        return {}
    reward = {"vendor_reward_id": got.rewards[0].reward_id} if len(got.rewards) == 1 else {}
    return {"vendor_order_id": got.vendor_order_id} | reward


def _told(got: VendorOrder | None) -> dict[str, object]:
    """What a record keeps of the vendor's answer."""
    if got is None:
        return {}
    told: dict[str, object] = {"vendor_order": got.vendor_order_id, "vendor_state": got.state}
    return told | {name: str(money) for name, money in (("total", got.total), ("fees", got.fees)) if money is not None}


async def _reopen_reward(session: AsyncSession, order: Order, now: datetime) -> None:
    """What the order was for may be chosen again."""
    if order.reward_id is None:
        return
    given = await rewards.lock(session, order.program_id, order.reward_id)
    if given.state is RewardState.ORDERED and given.order_id == order.id:
        definition = await rewards.get_definition(session, given)
        await rewards.offer(session, given, definition, RewardEvent.REOPEN, now=now, reason="order_came_to_nothing")


# -- Telling people ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _News:
    """What is told of an order, and to whom: its member, or the program's administrators."""

    kind: str
    subject: Sentence
    body: Sentence
    is_for_member: bool = False


def _delivered(order: Order) -> _News:
    subject = sentence("Your {title} is there", title=order.title)
    return _News("order_delivered", subject, sentence("It has been delivered."), is_for_member=True)


def _refunded(order: Order) -> _News:
    subject = sentence("Your {title} was cancelled", title=order.title)
    return _News("order_refunded", subject, sentence("What it cost you is back on your balance."), is_for_member=True)


def _failed(order: Order) -> _News:
    subject = sentence("Your {title} could not be ordered", title=order.title)
    body = sentence("The vendor refused it. What it cost you is back on your balance.")
    return _News("order_failed", subject, body, is_for_member=True)


def _bounced(order: Order) -> _News:
    subject = sentence("Your {title} could not be delivered", title=order.title)
    body = sentence("The address did not take it. Give another address, or cancel the order.")
    return _News("delivery_bounced", subject, body, is_for_member=True)


def _lacks_funds(order: Order) -> _News:
    body = sentence(
        "Order {id} ({title}) is kept and goes on by itself as soon as the vendor's account is funded.",
        id=order.id,
        title=order.title,
    )
    return _News("funds_missing", sentence("Orders wait for money at the vendor"), body)


def _needs_a_decision(order: Order) -> _News:
    body = sentence(
        "{title}: {reason}. See `laurel orders review`, then `laurel orders resolve {id}`.",
        id=order.id,
        title=order.title,
        reason=order.reason or "",
    )
    return _News("order_in_review", sentence("Order {id} needs a decision", id=order.id), body)


def _vendor_away(order: Order) -> _News:
    body = sentence(
        "Orders wait for it, {id} ({title}) among them, and go on by themselves as soon as it answers.",
        id=order.id,
        title=order.title,
    )
    return _News("vendor_unavailable", sentence("A vendor does not answer"), body)


_NEWS = {
    OrderState.DELIVERED: _delivered,
    OrderState.REFUNDED: _refunded,
    OrderState.FAILED: _failed,
    OrderState.AWAITING_FUNDS: _lacks_funds,
    OrderState.IN_REVIEW: _needs_a_decision,
}


async def _tell(session: AsyncSession, order: Order, now: datetime) -> None:
    """Tell those who must know how the order now stands."""
    has_bounced = order.state is OrderState.SENT and order.delivery is Delivery.BOUNCED
    says = _bounced if has_bounced else _NEWS.get(order.state)
    if says is not None:
        daily = order.state is OrderState.AWAITING_FUNDS
        reference = _daily(order, now) if daily else f"{order.id}/{now.isoformat()}"
        await _send(session, order, says(order), reference, now)


def _daily(order: Order, now: datetime) -> str:
    """The reference of what is told once a day, however many orders it concerns."""
    return f"{order.connection_id}/{now.date().isoformat()}"


async def _send(session: AsyncSession, order: Order, news: _News, reference: str, now: datetime) -> None:
    told = Telling(order.member_id if news.is_for_member else None, news.subject, news.body, reference)
    await notifications.tell_all(session, order.program_id, news.kind, [told], now=now)
