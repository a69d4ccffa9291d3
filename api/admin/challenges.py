"""Challenges for people who run them: written in a form that explains each choice, tried on what has happened,
launched, watched, extended, cancelled."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from api.admin import forms, pages
from api.admin.forms import Missing
from api.admin.pages import Page
from api.backends import backends
from api.problems import Problem
from api.schemas.base import ChallengeId
from domain.challenges import ChallengeState
from domain.derived import EVENT_TYPES as DERIVED_TYPES
from domain.time import zone
from storage import challenge_commands, challenges, configurations, members, previews
from storage.challenge_commands import InvalidChallenge
from storage.challenges import StoredChallenge
from storage.previews import TooMuch

LIST_LENGTH = 100
STANDINGS_SHOWN = 20
CLAIMS_SHOWN = 50
PREVIEW_DAYS = (30, 90)
LIVE_SECONDS = 5
MAX_REASON = 500  # characters
# Which field of the form says what a path of the definition says.
FIELDS = {"goal": "goal_target", "when": "only_when", "multiplier": "pays_value", "bonus": "pays_value"}
FIELDS |= {"audience": "audience_value", "prizes": "prize_1"}

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/admin/challenges")
async def list_challenges(request: Request) -> Response:
    """All challenges, the newest first."""
    async with backends(request).database.begin() as session:
        program_id = pages.visit(request).program.id
        found = await challenges.list_page(session, program_id, state=None, before=None, limit=LIST_LENGTH)
    return pages.render(request, "challenges.html", challenges=found)


# -- Writing one ---------------------------------------------------------------------------------------------------


@router.get("/admin/challenges/new")
async def show_form(request: Request) -> Response:
    """An empty form, for the working week that comes."""
    visit, now = pages.visit(request), backends(request).clock()
    monday = _next_monday(now, visit.program.time_zone)
    friday = monday + timedelta(days=4, hours=8)
    empty = {"starts_at": f"{monday:%Y-%m-%dT%H:%M}", "ends_at": f"{friday:%Y-%m-%dT%H:%M}"}
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
    except (Missing, InvalidChallenge) as error:
        return await _form(request, forms.as_sent(visit.form), _faults(error))
    return pages.redirect(request, f"/admin/challenges/{made.id}")


@router.get("/admin/challenges/{challenge_id:chl}/edit")
async def edit(request: Request, challenge_id: ChallengeId) -> Response:
    """The form of a draft."""
    visit = pages.visit(request)
    stored = await _get(request, challenge_id)
    if stored.state is not ChallengeState.DRAFT:
        raise Problem("illegal_transition", "Only a draft can be written anew.")
    _require_said(stored)
    return await _form(request, forms.filled(stored.definition, visit.program.time_zone), of=stored)


@router.post("/admin/challenges/{challenge_id:chl}/edit")
async def rewrite(request: Request, challenge_id: ChallengeId) -> Response:
    """Keep the draft as it is now."""
    visit, here = pages.visit(request), backends(request)
    _require_said(await _get(request, challenge_id))
    try:
        said = forms.said(visit)
        async with here.database.begin() as session:
            await challenge_commands.rewrite(
                session, visit.program.id, challenge_id, said, actor=visit.session.actor, now=here.clock()
            )
    except (Missing, InvalidChallenge) as error:
        stored = await _get(request, challenge_id)
        return await _form(request, forms.as_sent(visit.form), _faults(error), of=stored)
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


@router.post("/admin/challenges/preview")
async def preview(request: Request) -> Response:
    """What the challenge in the form would have paid, as a part of the page."""
    visit, here = pages.visit(request), backends(request)
    days = next((days for days in PREVIEW_DAYS if visit.text("days") == str(days)), PREVIEW_DAYS[0])
    try:
        said = forms.said(visit)
        async with here.database.snapshot() as session:
            wanted = await challenge_commands.check(session, visit.program.id, said)
            found = await previews.of_challenge(session, visit.program.id, wanted, days=days, as_of=here.clock())
    except (Missing, InvalidChallenge) as error:
        return pages.render(request, "preview.html", preview=None, faults=list(_faults(error).values()))
    except TooMuch as error:
        return pages.render(request, "preview.html", preview=None, faults=[str(error)])
    return pages.render(request, "preview.html", preview=found, faults=[])


# -- One that is there ---------------------------------------------------------------------------------------------


@router.get("/admin/challenges/{challenge_id:chl}")
async def show(request: Request, challenge_id: ChallengeId) -> Response:
    """What it is, where it stands, and what can be done with it."""
    return await _show(request, challenge_id)


@router.get("/admin/challenges/{challenge_id:chl}/standings")
async def show_standings(request: Request, challenge_id: ChallengeId) -> Response:
    """The part of the page that changes while a challenge runs."""
    return pages.render(request, "standings.html", **await _standings(request, await _get(request, challenge_id)))


@router.post("/admin/challenges/{challenge_id:chl}/launch")
async def launch(request: Request, challenge_id: ChallengeId) -> Response:
    """Let it count from its start on."""
    visit, here = pages.visit(request), backends(request)
    try:
        async with here.database.begin() as session:
            launched = await challenge_commands.launch(
                session, visit.program.id, challenge_id, actor=visit.session.actor, now=here.clock()
            )
    except InvalidChallenge as error:
        return await _show(request, challenge_id, faults=list(_faults(error).values()))
    if launched.warnings:
        return await _show(request, challenge_id, warnings=launched.warnings)
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


@router.post("/admin/challenges/{challenge_id:chl}/extend")
async def extend(request: Request, challenge_id: ChallengeId) -> Response:
    """Let it end later."""
    visit, here = pages.visit(request), backends(request)
    try:
        ends_at = forms.instant(visit, "ends_at")
        async with here.database.begin() as session:
            await challenge_commands.extend(
                session, visit.program.id, challenge_id, ends_at, actor=visit.session.actor, now=here.clock()
            )
    except (Missing, InvalidChallenge) as error:
        return await _show(request, challenge_id, faults=list(_faults(error).values()))
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


@router.post("/admin/challenges/{challenge_id:chl}/cancel")
async def cancel(request: Request, challenge_id: ChallengeId) -> Response:
    """Let nothing count for it any more."""
    visit, here = pages.visit(request), backends(request)
    if not 1 <= len(visit.text("reason")) <= MAX_REASON:
        return await _show(
            request, challenge_id, faults=[f"Say why it is cancelled, in at most {MAX_REASON} characters."]
        )
    async with here.database.begin() as session:
        await challenge_commands.cancel(
            session,
            visit.program.id,
            challenge_id,
            reason=visit.text("reason"),
            actor=visit.session.actor,
            now=here.clock(),
        )
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


# -- What the pages show -------------------------------------------------------------------------------------------


async def _get(request: Request, challenge_id: str) -> StoredChallenge:
    async with backends(request).database.begin() as session:
        return await challenges.get(session, pages.visit(request).program.id, challenge_id)


def _require_said(stored: StoredChallenge) -> None:
    """Nothing of the draft would be lost by writing it anew in the form."""
    if not forms.says_all(stored.definition):
        raise Problem("illegal_transition", "This challenge says more than the form can: write it anew over the API.")


async def _form(
    request: Request,
    filled: Mapping[str, Any],
    faults: Mapping[str, str] | None = None,
    of: StoredChallenge | None = None,
) -> Response:
    async with backends(request).database.begin() as session:
        active = await configurations.read_active(session, pages.visit(request).program.id)
    types = [one for key, one in active.event_types.items() if key not in DERIVED_TYPES]
    told = {"faults": faults or {}, "known_fields": forms.EMPTY}
    shown = {"filled": {**forms.EMPTY, **filled}, "of": of, **told, "event_types": types}
    choices = {"attributes": forms.ATTRIBUTES, "prizes": range(1, forms.PRIZES + 1), "preview_days": PREVIEW_DAYS}
    return pages.render(request, "challenge_form.html", 422 if faults else 200, **shown, **choices)


async def _show(
    request: Request, challenge_id: str, faults: Sequence[str] = (), warnings: Sequence[str] = ()
) -> Response:
    stored = await _get(request, challenge_id)
    shown = await _standings(request, stored)
    told = {"faults": faults, "warnings": warnings, "live_seconds": LIVE_SECONDS}
    return pages.render(request, "challenge.html", 422 if faults else 200, **shown, **told)


async def _standings(request: Request, stored: StoredChallenge) -> dict[str, Any]:
    goal, program_id = stored.definition.goal, stored.program_id
    scope = "teams" if goal and goal.team else "members"
    async with backends(request).database.begin() as session:
        standings = await challenges.list_standings(session, stored, scope, after=0, limit=STANDINGS_SHOWN)
        claims = await challenges.list_claims(session, program_id, stored.key, after=0, limit=CLAIMS_SHOWN)
        who = {one.member_id for one in claims} | {one.member_id for one in standings if one.member_id}
        names = await members.find_names(session, program_id, sorted(who))
    return {"challenge": stored, "standings": standings, "claims": claims, "names": names}


def _faults(error: Missing | InvalidChallenge) -> dict[str, str]:
    """What is wrong, by field of the form."""
    if isinstance(error, Missing):
        return {error.field: error.message}
    told: dict[str, str] = {}
    for fault in error.faults:
        name = str(fault.path[0]) if fault.path else "bonus"
        told.setdefault(FIELDS.get(name, name), fault.message)
    return told


def _next_monday(now: datetime, time_zone: str) -> datetime:
    today = now.astimezone(zone(time_zone)).replace(hour=9, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday())
