"""Preferences in Slack: what a member changes in the form holds, and a form that comes again changes nothing."""

from datetime import time

from connectors.slack import preferences as form
from connectors.slack.texts import Texts
from domain.calendars import WEEKDAYS
from domain.preferences import Preferences, Topic
from storage import preferences
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_windows import opened

ALL_BUT_BIRTHDAYS = [topic for topic in Topic if topic is not Topic.BIRTHDAYS]
EVENINGS = Preferences(frozenset({Topic.BIRTHDAYS}), time(17, 30), time(8))


async def said(company: Company) -> Preferences:
    async with company.database.begin() as session:
        return await preferences.find(session, company.program_id, company.members["owen"])


async def test_settings_are_changed_in_a_form_once_and_what_nobody_touched_stays_the_programs(company: Company) -> None:
    slack = company.slack
    await slack.command("owen", "general", "/laurel", "settings")
    await opened(company, "owen", form.SAVE)
    wrong = await slack.submit("owen", {"days": WEEKDAYS, "topics": ALL_BUT_BIRTHDAYS, "since": "17:30"})
    await slack.submit("owen", {"days": ["sat", "sun"]})
    kept = await said(company)
    async with company.database.begin() as session:
        await preferences.put(session, company.program_id, company.members["owen"], Preferences(), now=NOW)
    await slack.send_again()

    assert list(wrong.json["errors"]) == ["days"]
    assert kept == EVENINGS
    assert await said(company) == Preferences()


async def test_at_home_a_button_opens_the_form_with_what_holds(company: Company) -> None:
    await company.slack.open_home("owen")
    await company.work()
    async with company.database.begin() as session:
        await preferences.put(session, company.program_id, company.members["owen"], EVENINGS, now=NOW)
    await company.slack.press_view("owen", form.OPEN)
    await opened(company, "owen", form.SAVE)
    await company.slack.submit("owen")

    assert await said(company) == EVENINGS


async def test_who_asks_for_the_first_time_sees_in_their_language_what_they_have_said_elsewhere(
    company: Company,
) -> None:
    async with company.database.begin() as session:
        await preferences.put(session, company.program_id, company.members["karin"], EVENINGS, now=NOW)
    await company.slack.command("karin", "general", "/laurel", "settings")
    await opened(company, "karin", form.SAVE)
    title = company.slack.view("karin")["title"]["text"]
    await company.slack.submit("karin")

    async with company.database.begin() as session:
        assert await preferences.find(session, company.program_id, company.members["karin"]) == EVENINGS
    assert title == form.title(Texts.of("de-DE"))
