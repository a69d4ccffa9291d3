"""The story of an order, from its hold to the card that arrived or the points that came back."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.orders import WRONG_REALM, OrderActivities, OrderAt, OrderStatus, OrderToReview
from domain.orders import ENDED, SAME_ADDRESS, Delivery, OrderState
from workflows import runs
from workflows.bells import Bell
from workflows.retries import SQL, VENDOR, described
from workflows.starts import STATUS, Subject

# How long to wait before looking again without being woken: half the time waited so far, within these bounds.
FIRST_LOOK = timedelta(seconds=30)
LAST_LOOK = timedelta(days=1)

SAME_ADDRESS_AFTER = timedelta(hours=6)
# A vendor that gave no useful answer for as long as its activities are retried: wait half the time that it was away.
ASK_AGAIN_AFTER = timedelta(hours=1)
VENDOR_PATIENCE = timedelta(days=2)

DELIVERY_PATIENCE = timedelta(days=7)
ADDRESS_PATIENCE = timedelta(days=14)


Step = Callable[[OrderActivities, OrderAt], Awaitable[OrderStatus]]


@workflow.defn
class OrderWorkflow:
    """An order is placed at its vendor once, paid for once, and seen through until it is delivered or refunded.

    A paused program or an empty account makes it wait. An answer that was lost is looked up under the order's own key,
    and never asked for under another. What the vendor made must be what was ordered, else a person decides. Then the
    hold is settled and the card is on its way: it arrives, or it bounces and goes to another address, or it is taken
    back and the points return. Signals only wake: each step reads the committed row, and so a new run can start
    anywhere.
    """

    @workflow.init
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._bell = Bell()
        self._marked = workflow.info().typed_search_attributes.get(STATUS)
        self._away_since: datetime | None = None

    @workflow.signal
    async def wake(self, outbox_id: int) -> None:
        """Something about the order was committed."""
        self._bell.ring()

    @workflow.run
    async def run(self, subject: Subject) -> str:
        order = await self._step(OrderActivities.read_order, "Read how the order stands")
        while order.state not in ENDED:
            self._show(order)
            try:
                order = await self._continue(order)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                order = await self._without_vendor(order, error)
            else:
                self._away_since = None
            if runs.is_long():
                workflow.continue_as_new(subject)
        self._show(order)
        self._mark(order)
        return order.state

    async def _continue(self, order: OrderStatus) -> OrderStatus:
        match order.state:
            case OrderState.PLACED:
                return await self._at_vendor(OrderActivities.begin_order, "Check that the vendor can be paid")
            case OrderState.PAUSED:
                return await self._until_resumed(order)
            case OrderState.AWAITING_FUNDS:
                return await self._until_funded(order)
            case OrderState.ORDERING:
                return await self._at_vendor(OrderActivities.place_order, "Order the card")
            case OrderState.UNANSWERED | OrderState.REJECTED:
                return await self._at_vendor(OrderActivities.look_up_order, "Look the order up by its key")
            case OrderState.ORDERED:
                return await self._until_accepted(order)
            case OrderState.ACCEPTED:
                return await self._step(OrderActivities.settle_order, "Settle the hold")
            case OrderState.SENT:
                return await self._deliver(order)
            case OrderState.CANCELLING:
                return await self._take_back()
            case _:
                return await self._until_resolved(order)

    # -- Waiting ---------------------------------------------------------------------------------------------------

    async def _until_resumed(self, order: OrderStatus) -> OrderStatus:
        await self._wait(order, "until the program's orders are resumed")
        return await self._step(OrderActivities.resume_order, "See whether orders run again")

    async def _until_funded(self, order: OrderStatus) -> OrderStatus:
        await self._wait(order, "until the vendor's account is funded")
        return await self._at_vendor(OrderActivities.begin_order, "Check that the vendor can be paid")

    async def _until_accepted(self, order: OrderStatus) -> OrderStatus:
        await self._wait(order, "until the vendor accepts the order")
        return await self._at_vendor(OrderActivities.look_up_order, "See whether the vendor accepted the order")

    async def _until_resolved(self, order: OrderStatus) -> OrderStatus:
        await self._wait(order, "until a person resolves the review")
        return await self._step(OrderActivities.read_order, "Read what was resolved")

    async def _without_vendor(self, order: OrderStatus, error: ActivityError) -> OrderStatus:
        """The vendor gave no useful answer: administrators are told, and it is asked again until patience ends."""
        if isinstance(error.cause, ApplicationError) and error.cause.type == WRONG_REALM:
            return await self._review("wrong_realm")
        self._away_since = self._away_since or workflow.now()
        away = workflow.now() - self._away_since
        if away > VENDOR_PATIENCE:
            return await self._review("vendor_unavailable")
        await self._step(OrderActivities.tell_of_absence, "Tell administrators that the vendor does not answer")
        await self._wait(order, "until the vendor may be there again", max(away / 2, ASK_AGAIN_AFTER))
        return await self._step(OrderActivities.read_order, "Read how the order stands")

    # -- Delivery --------------------------------------------------------------------------------------------------

    async def _deliver(self, order: OrderStatus) -> OrderStatus:
        waited = workflow.now() - order.since
        if order.needs_link:
            return await self._at_vendor(OrderActivities.fetch_link, "Fetch the card's link into its encrypted column")
        if order.delivery is Delivery.READDRESSED and order.reason == SAME_ADDRESS and waited < SAME_ADDRESS_AFTER:
            await self._wait(order, "until the same address may take the card", SAME_ADDRESS_AFTER - waited)
            return await self._step(OrderActivities.read_order, "Read what was decided")
        if order.delivery is Delivery.READDRESSED:
            return await self._at_vendor(OrderActivities.resend_card, "Send the card to the new address")
        if order.delivery is Delivery.BOUNCED:
            return await self._until_readdressed(order, waited)
        if waited > DELIVERY_PATIENCE:
            return await self._review("delivery_unknown")
        if await self._wait(order, "until the card arrives or bounces"):
            found = await self._step(OrderActivities.read_order, "Read what became of the card")
            if found != order:  # else the notice was quicker than the order was sent, and its word could not be stored
                return found
        return await self._at_vendor(OrderActivities.check_delivery, "Ask the vendor where the card is")

    async def _until_readdressed(self, order: OrderStatus, waited: timedelta) -> OrderStatus:
        if waited > ADDRESS_PATIENCE:
            return await self._review("no_address")
        await self._wait(order, "until another address is given, or the order is cancelled")
        return await self._step(OrderActivities.read_order, "Read what was decided")

    async def _take_back(self) -> OrderStatus:
        order = await self._at_vendor(OrderActivities.check_cancellation, "Look for a card that is out")
        if order.state is OrderState.CANCELLING:
            order = await self._at_vendor(OrderActivities.cancel_card, "Take the card back")
        if order.state is OrderState.CANCELLING:
            order = await self._at_vendor(OrderActivities.check_cancellation, "See whether the card was taken back")
        return await self._review("not_cancellable") if order.state is OrderState.CANCELLING else order

    # -- How -------------------------------------------------------------------------------------------------------

    async def _step(self, step: Step, summary: str) -> OrderStatus:
        return await workflow.execute_activity_method(step, self._at(), **described(SQL, summary))

    async def _at_vendor(self, step: Step, summary: str) -> OrderStatus:
        return await workflow.execute_activity_method(step, self._at(), **described(VENDOR, summary))

    async def _review(self, reason: str) -> OrderStatus:
        review = OrderToReview(self._at(), reason)
        summary = "Ask a person to look at it"
        return await workflow.execute_activity_method(OrderActivities.review_order, review, **described(SQL, summary))

    def _at(self) -> OrderAt:
        return OrderAt(self._subject.program_id, self._subject.id, workflow.now())

    async def _wait(self, order: OrderStatus, for_what: str, long: timedelta | None = None) -> bool:
        """Until somebody wakes it, or it was so long, or it is time to look without being woken: whether it was."""
        waited = workflow.now() - order.since
        # Most cards that are on their way arrive long before the first look.
        on_its_way = order.state is OrderState.SENT and order.delivery is Delivery.PENDING
        if not on_its_way or waited >= FIRST_LOOK:
            self._mark(order)
        timeout = long or min(max(waited / 2, FIRST_LOOK), LAST_LOOK)
        return await self._bell.wait(timeout, for_what)

    def _show(self, order: OrderStatus) -> None:
        because = f" ({order.reason})" if order.reason else ""
        workflow.set_current_details(f"**{order.title}**: {order.state}{because}; delivery {order.delivery}")

    def _mark(self, order: OrderStatus) -> None:
        """The status by which orders are searched, once an order stays in it: each change costs the server a write."""
        if order.state != self._marked:
            workflow.upsert_search_attributes([STATUS.value_set(order.state)])
            self._marked = order.state
