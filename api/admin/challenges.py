"""Challenges for people who run them: launched, watched, extended, cancelled."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.admin import forms, pages, previews
from api.admin.forms import Unreadable
from api.admin.pages import Page
from api.backends import backends
from api.schemas.base import ChallengeId
from domain.challenges import CHALLENGE_ENDED, ChallengeState, Claim, IllegalChallenge, Standing
from domain.proposals import NeedsSecondPerson
from storage import challenge_commands, challenge_totals, challenges, members
from storage.challenge_commands import DraftChanged, InvalidChallenge
from storage.challenges import StoredChallenge

LIST_LENGTH = 50
SHOWN = 20  # of standings and of completions on a challenge's page
PAGE_LENGTH = 100  # of either on a page of its own
LIVE_SECONDS = 5
NOTHING_CHANGES = 286  # htmx asks no more
MAX_REASON = 500  # characters
LABELS = {"ends_at": "A later end", "reason": "Why it is cancelled"}
# What was done, or could not be: `faults` are of this page's fields, `draft_faults` of the draft's.
NOTHING_TOLD: Mapping[str, Any] = {
    "faults": {},
    "draft_faults": {},
    "refusal": "",
    "warnings": (),
    "preview": None,
    "days": 0,
}

Skipped = Annotated[int, Query(ge=0, le=1_000_000_000)]

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/admin/challenges")
async def list_challenges(
    request: Request, state: ChallengeState | None = None, before: ChallengeId | None = None
) -> Response:
    """The newest first, of all states or of one, on from where a page ended."""
    program_id = pages.visit(request).program.id
    async with backends(request).database.begin() as session:
        found = await challenges.list_page(session, program_id, state=state, before=before, limit=LIST_LENGTH)
        older = await challenges.count_older(session, program_id, found[-1].id, state) if found else 0
    shown: dict[str, Any] = {
        "challenges": found,
        "older": older,
        "before": before,
        "state": state,
        "states": list(ChallengeState),
    }
    return pages.render(request, "challenges.html", **shown)


@router.get("/admin/challenges/{challenge_id:chl}")
async def show(request: Request, challenge_id: ChallengeId) -> Response:
    """What it is, where it stands, and what can be done with it."""
    return await _show(request, challenge_id)


@router.get("/admin/challenges/{challenge_id:chl}/live")
async def show_live(request: Request, challenge_id: ChallengeId) -> Response:
    """The part of the page that changes while a challenge runs."""
    stored = await get_challenge(request, challenge_id)
    status = NOTHING_CHANGES if stored.state in CHALLENGE_ENDED else 200
    return pages.render(
        request, "live.html", status, **await _live(request, stored, ranks=SHOWN, claims=SHOWN), is_part=True
    )


@router.get("/admin/challenges/{challenge_id:chl}/standings")
async def list_standings(request: Request, challenge_id: ChallengeId, after: Skipped = 0) -> Response:
    """Who stands where, from behind a rank on."""
    shown = await _live(request, await get_challenge(request, challenge_id), after=after, ranks=PAGE_LENGTH, claims=0)
    return pages.render(request, "standings_page.html", **shown, page_length=PAGE_LENGTH)


@router.get("/admin/challenges/{challenge_id:chl}/completions")
async def list_completions(request: Request, challenge_id: ChallengeId, newer: Skipped = 0) -> Response:
    """Who has completed it, the newest first, behind so many newer ones."""
    shown = await _live(request, await get_challenge(request, challenge_id), newer=newer, ranks=0, claims=PAGE_LENGTH)
    return pages.render(request, "completions_page.html", **shown, page_length=PAGE_LENGTH)


# -- What is done with one -----------------------------------------------------------------------------------------


@router.post("/admin/challenges/{challenge_id:chl}/preview")
async def preview(request: Request, challenge_id: ChallengeId) -> Response:
    """What it would have paid, as it stands."""
    stored = await get_challenge(request, challenge_id)

    async def whole(found: previews.Found) -> Response:
        return await _show(request, challenge_id, **found)

    return await previews.answer(request, stored.definition, whole)


@router.post("/admin/challenges/{challenge_id:chl}/launch")
async def launch(request: Request, challenge_id: ChallengeId) -> Response:
    """Let it count from its start on."""
    visit, here = pages.visit(request), backends(request)
    try:
        async with here.database.begin() as session:
            launched = await challenge_commands.launch(
                session,
                visit.program.id,
                challenge_id,
                seen=visit.text("fingerprint"),
                actor=visit.session.actor,
                now=here.clock(),
            )
    except InvalidChallenge as error:
        return await _show(request, challenge_id, 422, draft_faults=forms.faults_of(error.faults))
    except DraftChanged:
        changed = "The draft was written anew since you read it. Read it again; nothing was launched."
        return await _show(request, challenge_id, 409, refusal=changed)
    except NeedsSecondPerson:
        return await _show(request, challenge_id, 409, refusal="You wrote this draft: somebody else launches it.")
    except IllegalChallenge as error:
        return await _show(request, challenge_id, 409, refusal=str(error))
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
    except Unreadable as error:
        return await _show(request, challenge_id, 422, faults=error.faults)
    except InvalidChallenge as error:
        return await _show(request, challenge_id, 422, faults=forms.faults_of(error.faults))
    except IllegalChallenge as error:
        return await _show(request, challenge_id, 409, refusal=str(error))
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


@router.post("/admin/challenges/{challenge_id:chl}/cancel")
async def cancel(request: Request, challenge_id: ChallengeId) -> Response:
    """Let nothing count for it any more."""
    visit, here = pages.visit(request), backends(request)
    reason, who = visit.text("reason"), visit.session.actor
    if not 1 <= len(reason) <= MAX_REASON:
        faults = {"reason": f"Say why it is cancelled, in at most {MAX_REASON} characters."}
        return await _show(request, challenge_id, 422, faults=faults)
    try:
        async with here.database.begin() as session:
            await challenge_commands.cancel(
                session, visit.program.id, challenge_id, reason=reason, actor=who, now=here.clock()
            )
    except IllegalChallenge as error:
        return await _show(request, challenge_id, 409, refusal=str(error))
    return pages.redirect(request, f"/admin/challenges/{challenge_id}")


# -- What the pages show -------------------------------------------------------------------------------------------


async def get_challenge(request: Request, challenge_id: str) -> StoredChallenge:
    """The visitor's program's challenge of this id; raises LookupError."""
    async with backends(request).database.begin() as session:
        return await challenges.get(session, pages.visit(request).program.id, challenge_id)


async def _show(request: Request, challenge_id: str, status: int = 200, **told: Any) -> Response:
    """The challenge's page; what is told on it is one of NOTHING_TOLD."""
    visit = pages.visit(request)
    stored = await get_challenge(request, challenge_id)
    filled = {name: visit.text(name) for name in ("ends_at", "reason")}
    filled["ends_at"] = filled["ends_at"] or forms.local(stored.definition.until, visit.program.time_zone)
    shown = {**await _live(request, stored, ranks=SHOWN, claims=SHOWN), **NOTHING_TOLD, **told}
    shown |= {"filled": filled, "labels": LABELS, "form_labels": forms.LABELS, "preview_days": previews.DAYS}
    shown |= {"audience": forms.chosen(stored.definition.audience), "can_edit": forms.says_all(stored.definition)}
    return pages.render(request, "challenge.html", status, **shown, live_seconds=LIVE_SECONDS, is_part=False)


async def _live(
    request: Request, stored: StoredChallenge, *, ranks: int, claims: int, after: int = 0, newer: int = 0
) -> dict[str, Any]:
    """How far it is: so many ranks from behind one on, so many completions behind newer ones, and what is beyond."""
    scope = challenges.scopes(stored.definition)[-1]
    async with backends(request).database.begin() as session:
        totals = await challenge_totals.get(session, stored)
        standings = await challenges.list_standings(session, stored, scope, after=after, limit=ranks)
        end = max(0, totals.claims - newer)
        begin = max(0, end - claims)
        came = await challenges.list_claims(session, stored.program_id, stored.key, after=begin, limit=end - begin)
        names = await members.find_names(session, stored.program_id, sorted(_who(standings, came)))
    taking_part = totals.teams if scope == "teams" else totals.people
    return {
        "challenge": stored,
        "totals": totals,
        "standings": standings,
        "after": after,
        "below": max(0, taking_part - after - len(standings)),
        "completions": came[::-1],
        "newer": newer,
        "older": begin,
        "names": names,
    }


def _who(standings: Sequence[Standing], completions: Sequence[Claim]) -> set[str]:
    return {one.member_id for one in completions} | {one.member_id for one in standings if one.member_id}
