"""Members for people who look after them: their streaks, and the absences that protect these."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from api.admin import pages
from api.admin.pages import Page, Visit
from api.backends import backends
from api.problems import Problem
from api.schemas.base import AbsenceId, MemberId
from domain.absences import AbsenceChange, AbsenceKind, InvalidAbsence, read_away
from domain.events import MEMBER_ID, Identity
from storage import absences, configurations, members, streaks

SOURCE = "admin"
SHOWN = 50
KINDS = {
    AbsenceKind.SICK: "Sick leave",
    AbsenceKind.PTO: "Time off",
    AbsenceKind.PARENTAL: "Parental leave",
    AbsenceKind.HOLIDAY: "Holiday",
    AbsenceKind.OTHER: "Other",
}
LABELS = {"kind": "Why", "starts_on": "First day", "ends_on": "Last day"}

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/admin/members")
async def list_members(request: Request) -> Response:
    """The first by name."""
    return await _found(request, "")


@router.post("/admin/members")
async def search_members(request: Request) -> Response:
    """Who is found by a part of the name, the e-mail or the external id; a POST, so that no address holds them."""
    visit = pages.visit(request)
    written = visit.text("skip")
    skip = int(written) if written.isdecimal() and len(written) < 10 else 0
    return await _found(request, visit.text("q")[:100], skip)


async def _found(request: Request, words: str, skip: int = 0) -> Response:
    async with backends(request).database.begin() as session:
        program_id = pages.visit(request).program.id
        found, total = await members.search(session, program_id, words, skip=skip, limit=SHOWN)
    return pages.render(request, "members.html", members=found, words=words, skip=skip, total=total, page_length=SHOWN)


@router.get("/admin/members/{member_id:mem}")
async def show_member(
    request: Request, member_id: MemberId, before: AbsenceId | None = None, kept: AbsenceId | None = None
) -> Response:
    """Streaks and absences of one member; the absence that was `kept` just now is named."""
    return await _show(request, member_id, before=before, kept=kept)


@router.post("/admin/members/{member_id:mem}/absences")
async def add_absence(request: Request, member_id: MemberId) -> Response:
    """Keep an absence; streaks that it covers are what they would have been."""
    visit, here = pages.visit(request), backends(request)
    try:
        change = _change(visit, member_id)
    except InvalidAbsence as error:
        faults = {one.field: pages.sentence(f"{LABELS[one.field]} {one.message}") for one in error.faults}
        return await _show(request, member_id, faults=faults)
    kept = await _write(request, change, here.clock())
    return pages.redirect(request, f"/admin/members/{member_id}?kept={kept}#absences")


@router.post("/admin/members/{member_id:mem}/absences/{absence_id:abs}/withdraw")
async def withdraw_absence(request: Request, member_id: MemberId, absence_id: AbsenceId) -> Response:
    """The member was not away after all."""
    visit, here = pages.visit(request), backends(request)
    async with here.database.begin() as session:
        await absences.withdraw(session, visit.program.id, member_id, absence_id, as_of=here.clock())
    return pages.redirect(request, f"/admin/members/{member_id}#absences")


async def _write(request: Request, change: AbsenceChange, as_of: datetime) -> str:
    """The id of the absence as it stands."""
    async with backends(request).database.begin() as session:
        [result] = await absences.write(session, pages.visit(request).program.id, [change], as_of=as_of)
    if result.absence is None:  # whom it names is no member of the program
        raise Problem("not_found")
    return result.absence.id


async def _show(
    request: Request,
    member_id: str,
    *,
    before: str | None = None,
    kept: str | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    visit = pages.visit(request)
    program_id = visit.program.id
    async with backends(request).database.begin() as session:
        member = await members.get(session, program_id, member_id)
        active = await configurations.read_active(session, program_id)
        found = await absences.list_page(session, program_id, member_id=member_id, before=before, limit=SHOWN)
        older = await absences.count_older(session, program_id, member_id, found[-1].id) if found else 0
        shown: dict[str, Any] = {
            "member": member,
            "streaks": await streaks.list_of(session, program_id, member_id),
            "absences": found,
            "older": older,
            "before": before,
            "kept": next((one for one in found if one.id == kept), None),
            "policies": active.streaks,
        }
    sent = {name: visit.text(name) for name in LABELS}
    told = {"faults": faults or {}, "labels": LABELS, "filled": sent, "kinds": KINDS, "own_source": SOURCE}
    return pages.render(request, "member.html", 422 if faults else 200, **shown, **told)


def _change(visit: Visit, member_id: str) -> AbsenceChange:
    """The absence in the form; one that is sent twice is one."""
    kind, starts_on = visit.text("kind"), visit.text("starts_on")
    ends_on = visit.text("ends_on") or starts_on
    away = read_away(Identity(MEMBER_ID, member_id), kind, starts_on, ends_on)
    return AbsenceChange(SOURCE, f"{member_id}:{kind}:{starts_on}:{ends_on}", away)
