"""The form of a challenge: what people fill in, as files would say it, and back.

A form says less than a file can. What it could not say in full is not written anew in it.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api.admin.pages import Visit
from domain.game import Challenge
from domain.shapes import write
from domain.time import zone

# The attributes by which an audience or a team is chosen.
ATTRIBUTES = ("department", "role", "location", "country", "performance_tier")
PRIZES = 3
# Every field of the form, as it is when nothing was filled in.
EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(
        ("title", "description", "starts_at", "ends_at", "audience_by", "audience_value", "pays_value", "only_when"), ""
    ),
    **dict.fromkeys(("only_when_name", "goal_target", "goal_points", "goal_team", "first", "member_points"), ""),
    **dict.fromkeys(("budget_points", *(f"prize_{rank}" for rank in range(1, PRIZES + 1))), ""),
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


class Missing(Exception):
    """A field that cannot be read: its name in the form and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def key_of(title: str) -> str:
    """The key of a new challenge: its title, and what makes it another than all before."""
    words = _KEY.sub("-", title.lower()[:50]).strip("-") or "challenge"
    return f"{words}-{secrets.token_hex(4)}"


def said(visit: Visit) -> dict[str, Any]:
    """The challenge that was filled in, as files say it. Raises Missing for what cannot be read."""
    text, whole = visit.text, {name: _whole(visit, name) for name in _WHOLE}
    found: dict[str, Any] = {
        "title": text("title"),
        "description": text("description"),
        "event_types": [key for key in visit.form.get("event_types", []) if key],
        "starts_at": instant(visit, "starts_at").isoformat(),
        "ends_at": instant(visit, "ends_at").isoformat(),
        "fairness": text("fairness") or "arrival",
        "stacking": text("stacking") or "sum",
        "once": text("once") == "yes",
        "audience": _audience(visit),
        **whole,
    }
    if text("pays") in ("bonus", "multiplier"):
        found[text("pays")] = _needed(visit, "pays_value", "Say how much.")
    if text("only_when"):
        found["when"] = [
            {"name": text("only_when_name") or "what the challenge asks for", "expression": text("only_when")}
        ]
    if text("goal_points"):
        _needed(visit, "goal_target", "Say what is to be reached.")
    if (target := _whole(visit, "goal_target")) is not None:
        goal = {"target": target, "points": _whole(visit, "goal_points") or 0, "team": text("goal_team") or None}
        found["goal"] = {name: value for name, value in goal.items() if value is not None}
    if prizes := [
        {"first": rank, "last": rank, "points": points}
        for rank in range(1, PRIZES + 1)
        if (points := _whole(visit, f"prize_{rank}"))
    ]:
        found["prizes"] = prizes
    return {name: value for name, value in found.items() if value not in (None, "")}


def instant(visit: Visit, name: str) -> datetime:
    """The day and time in this field, in the program's zone. Raises Missing."""
    try:
        return datetime.fromisoformat(visit.text(name)).replace(tzinfo=zone(visit.program.time_zone))
    except ValueError:
        raise Missing(name, "Choose a day and a time.") from None


def filled(challenge: Challenge, time_zone: str) -> dict[str, Any]:
    """The fields of the form as this challenge fills them."""
    told = write(challenge)
    by, value = _chosen(challenge.audience)
    pays = "multiplier" if challenge.multiplier else "bonus" if challenge.bonus else "nothing"
    condition = challenge.when[0] if challenge.when else None
    prizes = {f"prize_{rank}": _prize(challenge, rank) for rank in range(1, PRIZES + 1)}
    return {
        **{
            name: told[name]
            for name in ("title", "description", "event_types", "fairness", "stacking", "once", *_WHOLE)
        },
        "starts_at": challenge.starts_at.astimezone(zone(time_zone)).strftime(_LOCAL),
        "ends_at": challenge.ends_at.astimezone(zone(time_zone)).strftime(_LOCAL),
        "audience_by": by,
        "audience_value": value,
        "pays": pays,
        "pays_value": challenge.multiplier or challenge.bonus or "",
        "only_when": condition.expression if condition else "",
        "only_when_name": condition.name if condition else "",
        "goal_target": challenge.goal.target if challenge.goal else None,
        "goal_points": challenge.goal.points if challenge.goal else None,
        "goal_team": challenge.goal.team or "" if challenge.goal else "",
        **prizes,
    }


def as_sent(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The fields as they were sent, to be shown again beside what is wrong with them."""
    sent: dict[str, Any] = {name: values[-1] for name, values in form.items()}
    return sent | {"event_types": list(form.get("event_types", ())), "once": sent.get("once") == "yes"}


def says_all(challenge: Challenge) -> bool:
    """Whether the form says all of the challenge."""
    told = write(challenge, leave_out=("key", "version", "origin", "extended_to", "cancelled_at"), defaults=False)
    goal = challenge.goal
    return (
        told.keys() <= _TOLD
        and len(challenge.when) <= 1
        and (goal is None or (goal.field is None and goal.streak is None))
        and all(prize.first == prize.last <= PRIZES for prize in challenge.prizes)
    )


def _chosen(audience: str | None) -> tuple[str, str]:
    """By which attribute an audience is chosen and which value it has; or that it is an expression, and which."""
    found = _CHOSEN.fullmatch(audience or "")
    if found is None or found[1] not in ATTRIBUTES:
        return ("expression" if audience else ""), audience or ""
    try:
        return found[1], json.loads(found[2])
    except ValueError:  # CEL writes some characters in another way
        return "expression", audience or ""


def _needed(visit: Visit, name: str, message: str) -> str:
    if not (written := visit.text(name)):
        raise Missing(name, message)
    return written


def _prize(challenge: Challenge, rank: int) -> int | None:
    return next((prize.points for prize in challenge.prizes if prize.first <= rank <= prize.last), None)


def _audience(visit: Visit) -> str | None:
    by = visit.text("audience_by")
    if not by and not visit.text("audience_value"):
        return None
    if not by:
        raise Missing("audience_value", "Choose by what, or leave it empty for everybody.")
    value = _needed(visit, "audience_value", "Say for whom it is, or choose everybody.")
    return value if by == "expression" else f"member.{by} == {json.dumps(value, ensure_ascii=False)}"


def _whole(visit: Visit, name: str) -> int | None:
    written = visit.text(name).replace(",", "").replace(" ", "")
    if not written:
        return None
    if not written.isdecimal() or len(written) > 10:
        raise Missing(name, "Write a whole number.")
    return int(written)
