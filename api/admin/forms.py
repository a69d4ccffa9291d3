"""The form of a challenge: what people fill in, as files would say it, and back.

A form says less than a file can. What it could not say in full is not written anew in it.
"""

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from api.admin.pages import Visit, sentence
from domain.game import Challenge
from domain.shapes import Fault, Path, write
from domain.time import zone

# The attributes by which an audience or a team is chosen.
ATTRIBUTES = ("department", "role", "location", "country", "performance_tier")
PRIZES = 3
_PRIZES = tuple(f"prize_{rank}" for rank in range(1, PRIZES + 1))
# Every field of the form in its order, as people read its name.
LABELS: Mapping[str, str] = {
    "title": "Title",
    "description": "Description",
    "event_types": "What counts",
    "only_when": "Only when",
    "only_when_name": "In words",
    "audience_by": "Chosen by",
    "audience_value": "Which one",
    "starts_at": "Start",
    "ends_at": "End",
    "late_hours": "Hours to wait for what arrives late",
    "pays": "For a completion",
    "pays_value": "How much",
    "first": "Only the first",
    "fairness": "Who is first is decided",
    "member_points": "At most, for one person",
    "budget_points": "At most, for all together",
    "once": "Each person completes it once",
    "stacking": "Beside other challenges",
    "goal_target": "Completions to reach",
    "goal_team": "Reached by",
    "goal_points": "Points for reaching it",
    **{name: f"Points for rank {rank}" for rank, name in enumerate(_PRIZES, 1)},
}
# Every field as it is when nothing was filled in.
EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(LABELS, ""),
    "event_types": [],
    "late_hours": 24,
    "pays": "nothing",
    "fairness": "arrival",
    "stacking": "sum",
    "once": False,
}
_LOCAL = "%Y-%m-%dT%H:%M"
_CHOSEN = re.compile(r'member\.(\w+) == ("(?:[^"\\]|\\.)*")')
_WHOLE = ("first", "member_points", "budget_points", "late_hours")
_SAID = ("title", "description", "event_types", "fairness", "stacking", "once", *_WHOLE)
_TOLD = {*_SAID, "starts_at", "ends_at", "audience", "multiplier", "bonus", "when", "goal", "prizes"}
_KEY = re.compile(r"[^a-z0-9]+")
# How faults name fields that have another name on the page.
_NAMED = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")


class Unreadable(Exception):
    """What was filled in cannot be read: why, by field."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in faults.items()))
        self.faults = faults


class _Sheet:
    """What was filled in, and what of it cannot be read."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self.text = visit.text
        self.faults: dict[str, str] = {}

    def fault(self, name: str, message: str) -> None:
        self.faults.setdefault(name, message)

    def require(self, name: str, message: str) -> str:
        if not (written := self.text(name)):
            self.fault(name, message)
        return written

    def whole(self, name: str) -> int | None:
        written = self.text(name).replace(",", "").replace(" ", "")
        if written and (not written.isdecimal() or len(written) > 10):
            self.fault(name, "Write a whole number.")
            return None
        return int(written) if written else None

    def instant(self, name: str) -> str:
        """In the program's zone."""
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError:
            self.fault(name, "Choose a day and a time.")
            return ""
        return moment.replace(tzinfo=zone(self._visit.program.time_zone)).isoformat()

    def chosen(self, name: str) -> list[str]:
        return [value for value in self._visit.form.get(name, []) if value]

    def finish(self) -> None:
        if self.faults:
            raise Unreadable(self.faults)


def key_of(title: str) -> str:
    """The key of a new challenge: its title, and what makes it another than all before."""
    words = _KEY.sub("-", title.lower()[:50]).strip("-") or "challenge"
    return f"{words}-{secrets.token_hex(4)}"


def said(visit: Visit) -> dict[str, Any]:
    """The challenge that was filled in, as files say it. Raises Unreadable."""
    sheet = _Sheet(visit)
    found: dict[str, Any] = {
        "title": sheet.text("title"),
        "description": sheet.text("description"),
        "event_types": sheet.chosen("event_types"),
        "starts_at": sheet.instant("starts_at"),
        "ends_at": sheet.instant("ends_at"),
        "stacking": sheet.text("stacking"),
        "once": sheet.text("once") == "yes",
        "audience": _audience(sheet),
        **{name: sheet.whole(name) for name in _WHOLE},
        **_pays(sheet),
        **_only_when(sheet),
        **_goal(sheet),
        **_prizes(sheet),
    }
    if not found["event_types"]:
        sheet.fault("event_types", "Choose at least one.")
    if found["first"] is not None:  # who is first is decided only where somebody is
        found["fairness"] = sheet.text("fairness")
    sheet.finish()
    return {name: value for name, value in found.items() if value not in (None, "")}


def instant(visit: Visit, name: str) -> datetime:
    """The day and time in this field, in the program's zone. Raises Unreadable."""
    sheet = _Sheet(visit)
    written = sheet.instant(name)
    sheet.finish()
    return datetime.fromisoformat(written)


def faults_of(faults: Iterable[Fault]) -> dict[str, str]:
    """What is wrong with what was said, by field of the form."""
    told: dict[str, str] = {}
    for fault in faults:
        told.setdefault(_field_of(fault.path), sentence(_NAMED.sub(_as_labelled, fault.message)))
    return told


def _field_of(path: Path) -> str:
    match path:
        case ("goal", name, *_):
            return f"goal_{name}"
        case ("when", _, "name", *_):
            return "only_when_name"
        case ("when", *_):
            return "only_when"
        case ("audience", *_):
            return "audience_value"
        case ("multiplier" | "bonus", *_):
            return "pays_value"
        case ("prizes", *_):
            return _PRIZES[0]
        case (name, *_):
            return str(name)
        case _:
            return "pays"


def _as_labelled(found: re.Match[str]) -> str:
    return f"“{LABELS[found[0]]}”" if found[0] in LABELS else found[0]


def filled(challenge: Challenge, time_zone: str) -> dict[str, Any]:
    """The fields of the form as this challenge fills them."""
    told = write(challenge)
    by, value = chosen(challenge.audience)
    pays = "multiplier" if challenge.multiplier else "bonus" if challenge.bonus else "nothing"
    condition = challenge.when[0] if challenge.when else None
    goal = challenge.goal
    return {
        **{name: told[name] for name in _SAID},
        **{name: _prize(challenge, rank) for rank, name in enumerate(_PRIZES, 1)},
        "starts_at": local(challenge.starts_at, time_zone),
        "ends_at": local(challenge.ends_at, time_zone),
        "audience_by": by,
        "audience_value": value,
        "pays": pays,
        "pays_value": challenge.multiplier or challenge.bonus or "",
        "only_when": condition.expression if condition else "",
        "only_when_name": condition.name if condition else "",
        "goal_target": goal.target if goal else None,
        "goal_points": goal.points if goal else None,
        "goal_team": goal.team or "" if goal else "",
    }


def local(at: datetime, time_zone: str) -> str:
    """The moment as a field for a day and a time holds it."""
    return at.astimezone(zone(time_zone)).strftime(_LOCAL)


def as_sent(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The fields as they were sent, to be shown again beside what is wrong with them."""
    sent: dict[str, Any] = {name: values[-1] for name, values in form.items()}
    return sent | {"event_types": list(form.get("event_types", ())), "once": sent.get("once") == "yes"}


def says_all(challenge: Challenge) -> bool:
    """Whether the form says all of the challenge."""
    told = write(
        challenge, leave_out=("key", "version", "origin", "extended_to", "cancelled_at", "dropped"), defaults=False
    )
    goal = challenge.goal
    return (
        told.keys() <= _TOLD
        and len(challenge.when) <= 1
        and (goal is None or (goal.field is None and goal.streak is None))
        and all(prize.first == prize.last <= PRIZES for prize in challenge.prizes)
    )


def chosen(audience: str | None) -> tuple[str, str]:
    """By which attribute an audience is chosen and which value it has; or that it is an expression, and which."""
    found = _CHOSEN.fullmatch(audience or "")
    if found is None or found[1] not in ATTRIBUTES:
        return ("expression" if audience else ""), audience or ""
    try:
        return found[1], json.loads(found[2])
    except ValueError:  # CEL writes some characters in another way
        return "expression", audience or ""


def _prize(challenge: Challenge, rank: int) -> int | None:
    return next((prize.points for prize in challenge.prizes if prize.first <= rank <= prize.last), None)


# -- What several fields say together ------------------------------------------------------------------------------


def _audience(sheet: _Sheet) -> str | None:
    by, value = sheet.text("audience_by"), sheet.text("audience_value")
    if by and not value:
        sheet.fault("audience_value", "Say for whom it is, or choose everybody.")
    elif value and not by:
        sheet.fault("audience_by", "Choose by what, or leave it empty for everybody.")
    if not by:
        return None
    return value if by == "expression" else f"member.{by} == {json.dumps(value, ensure_ascii=False)}"


def _pays(sheet: _Sheet) -> dict[str, str]:
    pays = sheet.text("pays")
    return {pays: sheet.require("pays_value", "Say how much.")} if pays in ("bonus", "multiplier") else {}


def _only_when(sheet: _Sheet) -> dict[str, Any]:
    if not (expression := sheet.text("only_when")):
        return {}
    return {"when": [{"name": sheet.text("only_when_name") or "what it asks for", "expression": expression}]}


def _goal(sheet: _Sheet) -> dict[str, Any]:
    target, points, team = sheet.whole("goal_target"), sheet.whole("goal_points"), sheet.text("goal_team")
    if (points or team) and target is None:
        sheet.fault("goal_target", "Say what is to be reached.")
    if target is None:
        return {}
    return {"goal": {"target": target, "points": points or 0} | ({"team": team} if team else {})}


def _prizes(sheet: _Sheet) -> dict[str, Any]:
    points = {rank: sheet.whole(name) for rank, name in enumerate(_PRIZES, 1)}
    prizes = [{"first": rank, "last": rank, "points": of} for rank, of in points.items() if of]
    return {"prizes": prizes} if prizes else {}
