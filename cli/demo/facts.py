"""What happens at the sample company in a demonstration, and what each fact must earn by the rules in config/."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

COMPLETED = "http://adlnet.gov/expapi/verbs/completed"
PASSED = "http://adlnet.gov/expapi/verbs/passed"
LMS_URL = "https://lms.example.com"


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal to be won: its owner's e-mail and HubSpot id, its amount in major units, the points that it must earn."""

    name: str
    owner: str
    owner_id: str
    amount: str
    currency: str
    points: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """An xAPI statement to be sent: who by any name, what was done, the points that it must earn."""

    learner: str
    actor: dict[str, Any]
    verb: str
    course: str
    points: int
    scaled_score: float | None = None

    def statement(self) -> dict[str, Any]:
        """The statement under an id of its own."""
        said: dict[str, Any] = {
            "id": str(uuid4()),
            "actor": self.actor,
            "verb": {"id": self.verb},
            "object": {
                "id": f"{LMS_URL}/courses/{self.course.lower().replace(' ', '-')}",
                "definition": {"name": {"en": self.course}},
            },
        }
        if self.scaled_score is not None:
            said["result"] = {"success": True, "score": {"scaled": self.scaled_score}}
        return said


def _account(name: str) -> dict[str, Any]:
    return {"account": {"homePage": LMS_URL, "name": name}}


# Maya's deal is worth 520 points by its size, of which a cap lets 400 through, and 100 for being big: it crosses 500.
BIG_DEAL = Deal("Harbour cranes", "maya@example.com", "71", "52000", "USD", 500)
# It is reopened later.
REOPENED = Deal("Cold store", "owen@example.com", "72", "12000", "USD", 120)

DEALS = (
    BIG_DEAL,
    Deal("Ferry terminal", "owen@example.com", "72", "8400", "USD", 84),
    REOPENED,
    Deal("Signal boxes", "priya@example.com", "73", "15050", "GBP", 151),
    Deal("Wind farm", "jonas@example.com", "74", "24900", "EUR", 249),
    # No rule prices a deal in francs.
    Deal("Cable car", "lena@example.com", "75", "9000", "CHF", 0),
)

LESSONS = (
    Lesson("jonas@example.com", _account("jonas"), COMPLETED, "Fire safety", 50),
    Lesson("priya@example.com", {"mbox": "mailto:priya@example.com"}, COMPLETED, "Fire safety", 50),
    Lesson("simon@example.com", _account("simon"), COMPLETED, "Data protection", 50),
    Lesson("grace@example.com", {"mbox": "mailto:grace@example.com"}, COMPLETED, "First aid", 50),
    Lesson("grace@example.com", {"mbox": "mailto:grace@example.com"}, PASSED, "First aid", 47, 0.95),
    # Passed, but with less than 90 percent.
    Lesson("emre@example.com", _account("emre"), PASSED, "First aid", 0, 0.7),
)

# What Jonas takes for his points: its price is 275.
REDEEMER = "jonas@example.com"
REDEEMED = {"item": "market-de", "value_minor": 2500, "currency": "EUR"}
REDEEMED_POINTS = 275

# The second act: who learns each week until she is ill, and who races for the places of a challenge.
LEARNER = "lena@example.com"
STREAK = "weekly-learning"
WEEKS = 3
RACERS = ("grace@example.com", "simon@example.com", "emre@example.com")
PLACES = 2
BONUS = 25
FORM_POINTS = 15

# The third act, in Slack: who nominates whom, who approves it, and what the nominee thanks for.
NOMINATOR, NOMINEE, APPROVER = "maya", "grace", "helen"
CATEGORY = "above-and-beyond"
REASON = "She stayed until the cranes in the harbour ran again, and showed us how to keep them running."
NOMINATED_POINTS = 100
CHANNEL = "thanks"
THANKED_POINTS = 20
THANKS = f"thanks @{NOMINATOR} +{THANKED_POINTS} #Care for seeing what nobody else had seen"
