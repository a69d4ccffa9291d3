"""The demonstration's course: facts are sent, sent again and taken back; points are earned, held and spent.

Everything happens over HTTP at running servers; only the ledger's verification reads the database.
"""

import time
from uuid import uuid4

from cli.demo.facts import BIG_DEAL, DEALS, LESSONS, REDEEMED, REDEEMER, REOPENED
from cli.demo.game import Game
from cli.demo.month import live_through
from cli.demo.outside import Api, HubSpotAccount, Json, LearningSystem, SlackWorkspace, VendorAccount
from cli.demo.record import Record, Standing
from cli.demo.story import Story
from cli.demo.talk import Talk
from cli.demo.waiting import DemoFailed, Waiting
from cli.explanations import told
from storage import explanations, verification
from storage.database import Database

ENDED = {"delivered", "refunded", "failed", "in_review"}


class Script:
    """One run for one new program."""

    def __init__(
        self,
        program_id: str,
        api: Api,
        crm: HubSpotAccount,
        lms: LearningSystem,
        vendor: VendorAccount,
        slack: SlackWorkspace,
        database: Database,
        waiting: Waiting,
        story: Story,
    ) -> None:
        self._api = api
        self._crm = crm
        self._lms = lms
        self._vendor = vendor
        self._slack = slack
        self._database = database
        self._waiting = waiting
        self._story = story
        self._deals: dict[str, str] = {}
        self._statements: list[Json] = []
        self._members: dict[str, str] = {}
        self.record = Record(program_id)

    async def play(self) -> Record:
        """Everything in order; raises DemoFailed if something does not happen."""
        began = time.monotonic()
        self._members = {member["email"]: member["id"] for member in await self._api.members()}
        self.record.issued_before = (await self._vendor.cards())["issued"]
        await self._earn()
        await self._cross()
        await self._repeat()
        redeemed = await self._redeem()
        await self._retract()
        await self._finish(redeemed)
        self.record.played = await self._game().play()
        self.record.talked = await Talk(self._api, self._slack, self._waiting, self._story, self._members).play()
        await self._look_back()
        self.record.month = await live_through(self._database, self._story, self.record.program_id)
        self.record.seconds = round(time.monotonic() - began, 1)
        return self.record

    def _game(self) -> Game:
        program_id, waiting, story = self.record.program_id, self._waiting, self._story
        return Game(program_id, self._api, self._database, waiting, story, self._members)

    # -- What happens ----------------------------------------------------------------------------------------------

    async def _earn(self) -> None:
        self._story.chapter("Deals are won and courses are finished")
        await self._crm.hold()
        for deal in DEALS:
            self._deals[deal.name] = await self._crm.win(deal)
        notices = await self._crm.deliver()
        self._story.tell(f"{len(DEALS)} deals are closed-won in the CRM, which sends {notices} signed notices")
        self._statements = [lesson.statement() for lesson in LESSONS]
        await self._lms.send(self._statements)
        self._story.tell(f"the LMS sends {len(LESSONS)} xAPI statements about five learners")
        facts = len(DEALS) + len(LESSONS)
        await self._waiting.until(f"{facts} events to be decided", lambda: self._decided(facts), part="worker")
        self._story.tell(f"{facts} events are decided: one for each deal and each statement")

    async def _cross(self) -> None:
        self._story.chapter("A threshold is crossed")
        maya = self._members[BIG_DEAL.owner]
        order = await self._waiting.until("the reward's order", lambda: self._order_of(maya), part="worker")
        self._story.tell("Maya has 500 points: the milestone gives her a card over $25, which nobody has to approve")
        await self._delivered(order["id"])
        self._story.tell("the vendor has delivered it")
        self.record.earned = await self._standing()

    async def _repeat(self) -> None:
        self._story.chapter("Everything is sent again")
        notices = await self._crm.deliver_again()
        await self._lms.send(self._statements)
        self.record.repeats_sent = notices + len(self._statements)
        self.record.repeated = await self._standing()
        self._story.tell(f"{notices} notices and {len(self._statements)} statements arrive a second time")

    async def _redeem(self) -> str:
        self._story.chapter("Points are spent while the vendor times out")
        await self._vendor.time_out_after_success()
        body, key = {"member_id": self._members[REDEEMER], **REDEEMED}, str(uuid4())
        order = await self._api.place_order(body, key)
        again = await self._api.place_order(body, key)
        self.record.repeats_sent += 1 if again["id"] == order["id"] else 0
        self._story.tell(f"Jonas redeems {order['price_points']} points, by a request that is sent twice: one order")
        self._story.tell("the vendor makes his card, but its answer never comes")
        order_id: str = order["id"]
        return order_id

    async def _retract(self) -> None:
        self._story.chapter("Meanwhile a deal is reopened")
        before = await self._api.balance(self._members[REOPENED.owner])
        event_id = (await self._standing()).event(REOPENED.name)["id"]
        await self._crm.reopen(self._deals[REOPENED.name])
        await self._crm.deliver()
        await self._waiting.until("the retraction", lambda: self._in_state(event_id, "retracted"), part="worker")
        after = await self._api.balance(self._members[REOPENED.owner])
        self.record.retracted_points = before["available"] - after["available"]
        self._story.tell(f"the retraction takes {self.record.retracted_points} points back from Owen")

    async def _finish(self, order_id: str) -> None:
        self._story.chapter("The order is seen through")
        await self._delivered(order_id)
        self._story.tell("nobody asks for a second card: it is looked up by its key, found, and paid for once")
        self._story.tell(f"the vendor's e-mails: {self._vendor.inbox_url}")

    async def _look_back(self) -> None:
        self.record.final = await self._standing()
        self.record.orders = [await self._api.order(order["id"]) for order in self.record.final.orders]
        self.record.cards = await self._vendor.cards()
        event_id = self.record.final.event(BIG_DEAL.name)["id"]
        async with self._database.snapshot() as session:
            self.record.explanation = [*told(await explanations.get(session, self.record.program_id, event_id))]
            self.record.checks = await verification.verify(session, self.record.program_id)

    # -- What is seen ----------------------------------------------------------------------------------------------

    async def _decided(self, count: int) -> bool | None:
        events = await self._api.events()
        if failed := [event for event in events if event["state"] == "quarantined"]:
            raise DemoFailed(f"event {failed[0]['id']} could not be decided: {failed[0]['error']}")
        return True if sum(event["state"] == "decided" for event in events) >= count else None

    async def _order_of(self, member_id: str) -> Json | None:
        return next((order for order in await self._api.orders() if order["member_id"] == member_id), None)

    async def _delivered(self, order_id: str) -> Json:
        return await self._waiting.until(f"order {order_id}", lambda: self._ended(order_id), part="worker")

    async def _ended(self, order_id: str) -> Json | None:
        order = await self._api.order(order_id)
        return order if order["state"] in ENDED else None

    async def _in_state(self, event_id: str, state: str) -> bool | None:
        return True if (await self._api.event(event_id))["state"] == state else None

    async def _standing(self) -> Standing:
        balances = {email: await self._api.balance(member_id) for email, member_id in self._members.items()}
        return Standing(balances, await self._api.events(), await self._api.orders())
