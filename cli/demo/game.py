"""The demonstration's second act: a streak goes at risk and late sick leave saves it, and a challenge fills.

Its facts are sent over the API, as an integration would.
"""

from datetime import UTC, date, datetime, timedelta

from cli.demo.facts import BONUS, LEARNER, PLACES, RACERS, STREAK, WEEKS
from cli.demo.outside import Api, Json
from cli.demo.record import Played
from cli.demo.story import Story
from cli.demo.waiting import Waiting
from cli.explanations import told
from domain.derived import STREAK_REACHED
from storage import explanations
from storage.database import Database


class Game:
    """Plays the act for one program."""

    def __init__(
        self,
        program_id: str,
        api: Api,
        database: Database,
        waiting: Waiting,
        story: Story,
        members: dict[str, str],
    ) -> None:
        self._program_id = program_id
        self._api = api
        self._database = database
        self._waiting = waiting
        self._story = story
        self._members = members
        self._now = datetime.now(UTC)
        self._seen = Played()

    async def play(self) -> Played:
        """Both scenes."""
        await self._streak()
        await self._challenge()
        return self._seen

    async def _streak(self) -> None:
        self._story.chapter("A streak goes at risk, and sick leave saves it")
        monday = self._now.date() - timedelta(days=self._now.weekday())
        for week in range(WEEKS, 0, -1):
            await self._learn(_noon(monday - timedelta(days=7 * (week + 1) - 2)))
        self._seen.at_risk = await self._standing()
        self._story.tell(
            f"Lena finishes a course a week for {WEEKS} weeks, and none last week: {_said(self._seen.at_risk)}"
        )
        await self._sick_leave(monday - timedelta(days=7), monday - timedelta(days=1))
        self._seen.saved = await self._standing()
        self._story.tell(f"HR enters that she was ill all week, days late: {_said(self._seen.saved)}")
        await self._learn(self._now - timedelta(minutes=1))
        self._seen.went_on = await self._standing()
        reached = await self._waiting.until("the streak's length to be rewarded", self._reached, part="worker")
        self._story.tell(
            f"she finishes a course today: {_said(self._seen.went_on)}, which is worth {reached['points']} points"
        )

    async def _challenge(self) -> None:
        self._story.chapter(f"A challenge: the first {PLACES} safety reports are worth {BONUS} points more")
        challenge = await self._launch()
        for email in RACERS:
            answer = await self._tell(
                email, "form.submitted", self._now, {"form_id": "hazard", "kind": "safety_report"}
            )
            self._seen.earned.append(answer["points"])
        self._seen.claims = (await self._api.call("GET", f"/v1/challenges/{challenge['id']}/claims"))["items"]
        who = {member_id: email.partition("@")[0].capitalize() for email, member_id in self._members.items()}
        for claim in self._seen.claims:
            place = (
                f"place {claim['place']}, {claim['points']} points more" if claim["place"] else "too late for a place"
            )
            self._story.tell(f"number {claim['number']}, {who[claim['member_id']]}: {place}")
        async with self._database.snapshot() as session:
            found = await explanations.get(session, self._program_id, answer["id"])
        self._seen.refusal = [*told(found)]

    async def _launch(self) -> Json:
        challenge: Json = await self._api.call(
            "POST",
            "/v1/challenges",
            {
                "key": "safety-first",
                "title": "Safety first",
                "event_types": ["form.submitted"],
                "bonus": str(BONUS),
                "first": PLACES,
                "once": True,
                "starts_at": (self._now - timedelta(hours=1)).isoformat(),
                "ends_at": (self._now + timedelta(days=1)).isoformat(),
            },
        )
        seen = {"fingerprint": challenge["fingerprint"]}
        await self._api.call("POST", f"/v1/challenges/{challenge['id']}/launch", seen)
        return challenge

    async def _learn(self, at: datetime) -> None:
        course = {"activity_id": f"https://lms.example.com/courses/{at:%Y-%m-%d}"}
        await self._tell(LEARNER, "course.completed", at, course)

    async def _tell(self, email: str, kind: str, at: datetime, data: Json) -> Json:
        answer: Json = await self._api.call(
            "POST",
            "/v1/events",
            {
                "source": "demonstration",
                "external_id": f"{kind}:{email}:{at:%Y-%m-%d}",
                "type": kind,
                "member": {"source": "email", "external_id": email},
                "occurred_at": at.isoformat(),
                "data": data,
            },
        )
        return answer

    async def _sick_leave(self, first: date, last: date) -> None:
        leave = {
            "source": "hr",
            "external_id": "sick-leave-1",
            "kind": "sick",
            "starts_on": first.isoformat(),
            "ends_on": last.isoformat(),
        }
        await self._api.call("POST", f"/v1/members/{self._members[LEARNER]}/absences", leave)

    async def _reached(self) -> Json | None:
        decided = (event for event in await self._api.events() if event["state"] == "decided")
        return next((event for event in decided if event["type"] == STREAK_REACHED), None)

    async def _standing(self) -> Json:
        found = await self._api.call("GET", f"/v1/members/{self._members[LEARNER]}/streaks")
        standing: Json = next(one for one in found["streaks"] if one["streak_type"] == STREAK)
        return standing


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _said(standing: Json) -> str:
    return f"{standing['current_streak']} weeks, {standing['state'].replace('_', ' ')}"
