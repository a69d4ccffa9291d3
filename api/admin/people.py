"""Members for people who look after them: their streaks, and the absences that protect these."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from api.admin import pages
from api.admin.pages import Page, Visit
from api.backends import backends
from api.problems import Problem
from api.schemas.base import AbsenceId, MemberId
from domain.absences import AbsenceChange, AbsenceKind, AbsenceStatus, InvalidAbsence, read_away
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

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/admin/members")
async def list_members(request: Request) -> Response:
    """The first by name."""
    return await _found(request, "")


@router.post("/admin/members")
async def search_members(request: Request) -> Response:
    """Who is found by a part of the name, the e-mail or the external id; a POST, so that no address holds them."""
    return await _found(request, pages.visit(request).text("q")[:100])


async def _found(request: Request, words: str) -> Response:
    async with backends(request).database.begin() as session:
        found = await members.search(session, pages.visit(request).program.id, words, SHOWN)
    return pages.render(request, "members.html", members=found, words=words, most=SHOWN)


@router.get("/admin/members/{member_id:mem}")
async def show_member(request: Request, member_id: MemberId) -> Response:
    """Streaks and absences of one member."""
    return await _show(request, member_id)


@router.post("/admin/members/{member_id:mem}/absences")
async def add_absence(request: Request, member_id: MemberId) -> Response:
    """Keep an absence; streaks that it covers are what they would have been."""
    visit, here = pages.visit(request), backends(request)
    try:
        change = _change(visit, member_id)
    except InvalidAbsence as error:
        faults = [f"{fault.field}: {fault.message}" for fault in error.faults]
        return await _show(request, member_id, faults=faults)
    await _write(request, change, here.clock())
    return pages.redirect(request, f"/admin/members/{member_id}")


@router.post("/admin/members/{member_id:mem}/absences/{absence_id:abs}/withdraw")
async def withdraw_absence(request: Request, member_id: MemberId, absence_id: AbsenceId) -> Response:
    """The member was not away after all."""
    visit, here = pages.visit(request), backends(request)
    async with here.database.begin() as session:
        await absences.withdraw(session, visit.program.id, member_id, absence_id, as_of=here.clock())
    return pages.redirect(request, f"/admin/members/{member_id}")


async def _write(request: Request, change: AbsenceChange, as_of: datetime) -> None:
    async with backends(request).database.begin() as session:
        [result] = await absences.write(session, pages.visit(request).program.id, [change], as_of=as_of)
    if result.status is AbsenceStatus.FAILED:  # whom it names is no member of the program
        raise Problem("not_found")


async def _show(request: Request, member_id: str, faults: list[str] | None = None) -> Response:
    visit = pages.visit(request)
    program_id = visit.program.id
    async with backends(request).database.begin() as session:
        member = await members.get(session, program_id, member_id)
        active = await configurations.read_active(session, program_id)
        shown: dict[str, Any] = {
            "member": member,
            "streaks": await streaks.list_of(session, program_id, member_id),
            "absences": await absences.list_page(session, program_id, member_id=member_id, limit=SHOWN),
            "titles": {key: policy.title or key for key, policy in active.streaks.items()},
        }
    sent = {name: visit.text(name) for name in ("kind", "starts_on", "ends_on")}
    told = {
        "faults": faults or [],
        "sent": {**sent, "kind": sent["kind"] or AbsenceKind.SICK},
        "kinds": KINDS,
        "own_source": SOURCE,
    }
    return pages.render(request, "member.html", 422 if faults else 200, **shown, **told)


def _change(visit: Visit, member_id: str) -> AbsenceChange:
    """The absence in the form; one that is sent twice is one."""
    kind, starts_on = visit.text("kind"), visit.text("starts_on")
    ends_on = visit.text("ends_on") or starts_on
    away = read_away(Identity(MEMBER_ID, member_id), kind, starts_on, ends_on)
    return AbsenceChange(SOURCE, f"{member_id}:{kind}:{starts_on}:{ends_on}", away)
