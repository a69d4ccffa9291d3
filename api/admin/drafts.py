"""Drafts of challenges: written in a form that explains each choice, and tried on what has happened."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from api.admin import forms, pages, previews
from api.admin.challenges import get_challenge
from api.admin.forms import Unreadable
from api.admin.pages import Page
from api.backends import backends
from api.problems import Problem
from api.schemas.base import ChallengeId
from domain.challenges import ChallengeState
from domain.derived import EVENT_TYPES as DERIVED_TYPES
from domain.time import zone
from storage import challenge_commands, configurations
from storage.challenge_commands import InvalidChallenge
from storage.challenges import StoredChallenge

# What is wrong with a form takes the place of all that stands in the page's form, whatever part was asked for.
AS_FORM = {"HX-Retarget": "#writing", "HX-Reselect": "#writing", "HX-Reswap": "outerHTML"}

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/admin/challenges/new")
async def show_form(request: Request) -> Response:
    """An empty form, for the working week that comes."""
    visit, now = pages.visit(request), backends(request).clock()
    time_zone = visit.program.time_zone
    monday = _next_monday(now, time_zone)
    friday = monday + timedelta(days=4, hours=8)
    empty = {"starts_at": forms.local(monday, time_zone), "ends_at": forms.local(friday, time_zone)}
    return await _form(request, empty)


@router.post("/admin/challenges/new")
async def create(request: Request) -> Response:
    """Keep a draft."""
    visit, here = pages.visit(request), backends(request)
    key, who = forms.key_of(visit.text("title")), visit.session.actor
    try:
        said = forms.said(visit)
        async with here.database.begin() as session:
            made = await challenge_commands.create(session, visit.program.id, key, said, actor=who, now=here.clock())
    except (Unreadable, InvalidChallenge) as error:
        return await _again(request, error)
    return pages.redirect(request, f"/admin/challenges/{made.id}")


@router.get("/admin/challenges/{challenge_id:chl}/edit")
async def edit(request: Request, challenge_id: ChallengeId) -> Response:
    """The form of a draft."""
    stored = await _get_draft(request, challenge_id)
    return await _form(request, forms.filled(stored.definition, pages.visit(request).program.time_zone), of=stored)


@router.post("/admin/challenges/{challenge_id:chl}/edit")
async def rewrite(request: Request, challenge_id: ChallengeId) -> Response:
    """Keep the draft as it is now."""
    visit, here = pages.visit(request), backends(request)
    stored, who = await _get_draft(request, challenge_id), visit.session.actor
    try:
        said = forms.said(visit)
        async with here.database.begin() as session:
            await challenge_commands.rewrite(session, visit.program.id, challenge_id, said, actor=who, now=here.clock())
    except (Unreadable, InvalidChallenge) as error:
        return await _again(request, error, stored)
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


@router.post("/admin/challenges/preview")
async def preview(request: Request) -> Response:
    """What the challenge in the form would have paid."""
    visit, here = pages.visit(request), backends(request)
    written_anew = visit.text("of")
    stored = await _get_draft(request, written_anew) if written_anew else None
    try:
        said = forms.said(visit)
        async with here.database.begin() as session:
            wanted = await challenge_commands.check(session, visit.program.id, said)
    except (Unreadable, InvalidChallenge) as error:
        return await _again(request, error, stored)

    async def whole(found: previews.Found) -> Response:
        return await _form(request, forms.as_sent(visit.form), of=stored, **found)

    return await previews.answer(request, wanted, whole)


async def _get_draft(request: Request, challenge_id: str) -> StoredChallenge:
    """The draft, of which nothing is lost when it is written anew in the form; raises LookupError, Problem."""
    stored = await get_challenge(request, challenge_id)
    if stored.state is not ChallengeState.DRAFT:
        raise Problem("illegal_transition", "Only a draft can be written anew.")
    if not forms.says_all(stored.definition):
        raise Problem("illegal_transition", "This challenge says more than the form can: write it anew over the API.")
    return stored


async def _again(request: Request, error: Unreadable | InvalidChallenge, of: StoredChallenge | None = None) -> Response:
    """The form as it was sent, with what is wrong beside each field."""
    faults = error.faults if isinstance(error, Unreadable) else forms.faults_of(error.faults)
    answer = await _form(request, forms.as_sent(pages.visit(request).form), faults, of, status=422)
    answer.headers.update(AS_FORM)
    return answer


async def _form(
    request: Request,
    filled: Mapping[str, Any],
    faults: Mapping[str, str] | None = None,
    of: StoredChallenge | None = None,
    status: int = 200,
    **found: Any,
) -> Response:
    async with backends(request).database.begin() as session:
        active = await configurations.read_active(session, pages.visit(request).program.id)
    types = [one for key, one in active.event_types.items() if key not in DERIVED_TYPES]
    told = {"faults": faults or {}, "labels": forms.LABELS, "preview": None}
    shown = {"filled": {**forms.EMPTY, **filled}, "of": of, "event_types": types}
    by = [(name, name.replace("_", " ")) for name in forms.ATTRIBUTES]
    choices: dict[str, Any] = {
        "audiences": [("", "Everybody"), *by, ("expression", "an expression")],
        "teams": [("", "each person"), *((name, f"each {text} together") for name, text in by)],
    }
    choices |= {"prizes": range(1, forms.PRIZES + 1), "preview_days": previews.DAYS}
    return pages.render(request, "challenge_form.html", status, **told | shown | choices | found)


def _next_monday(now: datetime, time_zone: str) -> datetime:
    today = now.astimezone(zone(time_zone)).replace(hour=9, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday())
