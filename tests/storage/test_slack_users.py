"""Slack users become members by identity or by e-mail, or are parked; accounts that end are followed as declared."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.events import Identity
from domain.member_changes import read
from domain.members import MemberStatus
from domain.slack_users import UserFacts, UserKind
from domain.slack_workspaces import Installation, InstallLink
from storage import (
    connections,
    member_changes,
    members,
    merges,
    notifications,
    programs,
    slack_users,
    slack_workspaces,
)
from storage.keyring import Keyring
from tests.programs import NOW, make_member, make_program

KEYRING = Keyring({"a": bytes(32)}, "a")
SECOND = timedelta(seconds=1)
ADA = UserFacts("U1", UserKind.PERSON, "Ada", NOW, email="Ada@Example.com", locale="de-DE", time_zone="Europe/Berlin")


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    return await make_program(session)


@pytest.fixture
async def connection(session: AsyncSession, program_id: str) -> Connection:
    installed = Installation("T1", "Acme", "A1", "UBOT", ["commands"], "xoxb-1")
    workspace = await slack_workspaces.install(session, KEYRING, InstallLink(program_id, "Anna"), installed, now=NOW)
    return await connections.get(session, KEYRING, program_id, workspace.connection_id)


@pytest.fixture
async def ada(session: AsyncSession, program_id: str) -> str:
    return await make_member(session, program_id, "ada")


async def keep(session: AsyncSession, connection: Connection, facts: UserFacts = ADA, **changes: Any):
    said = {"outsiders": changes.pop("outsiders", False), "is_change": changes.pop("is_change", False)}
    return await slack_users.keep(session, connection, replace(facts, **changes), **said, now=NOW)


async def follow(session: AsyncSession, connection: Connection, policy: str) -> Connection:
    return await connections.rotate(session, KEYRING, connection, secrets={}, config={"deactivation": policy}, now=NOW)


async def status(session: AsyncSession, connection: Connection, member_id: str) -> MemberStatus:
    return (await members.get(session, connection.program_id, member_id)).status


async def test_a_user_is_the_member_with_the_confirmed_address_and_keeps_being_so(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    kept = await keep(session, connection)
    moved = await keep(session, connection, email="other@example.com", updated_at=NOW + SECOND)

    by_identity = await members.find_by_identity(session, connection.program_id, Identity("slack", "U1"))
    assert (kept.member_id, moved.member_id) == (ada, ada)
    assert by_identity is not None
    assert by_identity.id == ada
    assert await slack_users.find(session, connection.program_id, connection.id, "U1") == moved


async def test_an_identity_that_was_imported_counts_before_the_address(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    ben = await make_member(session, connection.program_id, "ben")
    change = read({"external_id": "ben", "identities": [{"source": "slack", "external_id": "U1"}]})
    await member_changes.write(session, connection.program_id, [change], effective_at=NOW, now=NOW)

    assert (await keep(session, connection)).member_id == ben


async def test_who_is_unknown_is_parked_until_somebody_knows_them(
    session: AsyncSession, connection: Connection
) -> None:
    parked = await keep(session, connection)
    ada = await make_member(session, connection.program_id, "ada")

    known = await keep(session, connection)

    assert (parked.member_id, known.member_id) == (None, ada)


@pytest.mark.parametrize(
    ("facts", "outsiders", "is_member"),
    [
        (replace(ADA, kind=UserKind.BOT), True, False),
        (replace(ADA, kind=UserKind.GUEST), False, False),
        (replace(ADA, kind=UserKind.GUEST), True, True),
        (replace(ADA, kind=UserKind.EXTERNAL), True, False),
        (replace(ADA, email=None), True, False),
    ],
)
async def test_bots_outsiders_and_addresses_that_count_for_nothing_make_no_member(
    session: AsyncSession, connection: Connection, ada: str, facts: UserFacts, outsiders: bool, is_member: bool
) -> None:
    kept = await keep(session, connection, facts, outsiders=outsiders)

    assert kept.member_id == (ada if is_member else None)


async def test_people_of_other_workspaces_are_members_only_by_an_identity_and_only_where_they_may(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    await keep(session, connection)

    outside = [
        (await keep(session, connection, kind=UserKind.EXTERNAL, outsiders=allowed)).member_id
        for allowed in (True, False)
    ]

    assert outside == [ada, None]


async def test_what_slack_does_not_say_again_stays_known(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    await keep(session, connection, kind=UserKind.GUEST)

    gone = await keep(session, connection, locale=None, time_zone=None, deleted=True, updated_at=NOW + SECOND)

    assert (gone.kind, gone.member_id) == (UserKind.GUEST, None)
    assert (gone.locale, gone.time_zone) == ("de-DE", "Europe/Berlin")


async def test_what_is_older_than_what_is_known_changes_nothing(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    connection = await follow(session, connection, "leave")
    newest = await keep(session, connection, updated_at=NOW + SECOND)

    late = await keep(session, connection, deleted=True, name="Before")

    assert late == newest
    assert await status(session, connection, ada) is MemberStatus.ACTIVE


async def test_where_an_hris_says_who_works_here_who_is_deactivated_stays_and_administrators_are_told_once(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    program = await programs.get(session, connection.program_id)
    sealed: dict[str, Any] = {"config": {"company": "acme"}, "secrets": {"api_key": "k"}}
    await connections.insert(session, KEYRING, program, kind="bamboohr", name="hris", **sealed, now=NOW)
    await keep(session, connection)

    for seconds in (1, 2):
        await keep(session, connection, deleted=True, updated_at=NOW + seconds * SECOND)

    told = await notifications.list_page(session, connection.program_id, member_id=None, limit=10)
    assert [one.subject for one in told if one.kind == slack_users.DEACTIVATED] == [
        "ada's Slack account was deactivated"
    ]
    assert await status(session, connection, ada) is MemberStatus.ACTIVE
    assert await slack_users.list_of_member(session, connection.program_id, ada) == []


async def test_where_nothing_else_says_who_works_here_a_deactivated_member_has_left_until_they_are_back(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    await keep(session, connection)

    await keep(session, connection, deleted=True, updated_at=NOW + SECOND)
    left = await status(session, connection, ada)
    back = await keep(session, connection, updated_at=NOW + 2 * SECOND)

    assert (left, await status(session, connection, ada)) == (MemberStatus.LEFT, MemberStatus.ACTIVE)
    assert await slack_users.list_of_member(session, connection.program_id, ada) == [back]


async def test_a_channel_is_spoken_to_as_most_people_of_the_workspace_are(
    session: AsyncSession, connection: Connection
) -> None:
    async def spoken(conversation: str) -> str | None:
        return await slack_users.locale_of(session, connection.program_id, connection.id, conversation)

    nobody = await spoken("C1")
    for n, locale in enumerate(("de-DE", "en-GB", "en-US", "en-US", "de-DE", None)):
        await keep(session, connection, user_id=f"U{n}", locale=locale)

    assert (nobody, await spoken("C1"), await spoken("U0"), await spoken("U5")) == (None, "en-US", "de-DE", None)


async def test_a_member_is_spoken_to_in_workspaces_that_are_installed(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    await keep(session, connection)
    later = NOW + SECOND

    await slack_workspaces.remove(session, KEYRING, "T1", told_at=later, now=later)

    assert await slack_users.list_of_member(session, connection.program_id, ada) == []


async def test_a_merged_members_account_is_the_others_and_comes_back(
    session: AsyncSession, connection: Connection, ada: str
) -> None:
    ben = await make_member(session, connection.program_id, "ben")
    await keep(session, connection)
    said = {"actor": "hr", "reason": "one person"}

    async def whose() -> str | None:
        found = await slack_users.find(session, connection.program_id, connection.id, "U1")
        assert found is not None
        return found.member_id

    merged = await merges.merge(session, connection.program_id, source=ada, destination=ben, as_of=NOW, **said)
    after = await whose()
    await merges.undo(session, connection.program_id, merged.id, as_of=NOW, **said)  # type: ignore[union-attr]

    assert (after, await whose()) == (ben, ada)


async def test_who_has_another_account_has_not_left(session: AsyncSession, connection: Connection, ada: str) -> None:
    await keep(session, connection)
    await keep(session, connection, user_id="U2")

    await keep(session, connection, user_id="U2", deleted=True, updated_at=NOW + SECOND)
    still = await status(session, connection, ada)
    await keep(session, connection, deleted=True, updated_at=NOW + SECOND)

    assert (still, await status(session, connection, ada)) == (MemberStatus.ACTIVE, MemberStatus.LEFT)


@pytest.mark.parametrize(("is_change", "then"), [(False, MemberStatus.ACTIVE), (True, MemberStatus.LEFT)])
async def test_an_account_that_is_found_deactivated_says_nothing_new_unless_slack_tells_so(
    session: AsyncSession, connection: Connection, ada: str, is_change: bool, then: MemberStatus
) -> None:
    await keep(session, connection, deleted=True, is_change=is_change)

    assert await status(session, connection, ada) is then
