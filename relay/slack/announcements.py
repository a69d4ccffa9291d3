"""Announcements: what everybody in a channel reads of thanks, which says those that stand."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import thanks
from connectors.slack.markup import Markup, name, person
from connectors.slack.texts import Texts
from domain.notifications import Notification
from domain.recognitions import Recognition, announcement_key
from domain.slack import MessageKind, Outgoing
from domain.slack_users import SlackUser
from storage import dispatches, members, recognitions, slack_messages, slack_users


async def edit(session: AsyncSession, told: Notification, n: int, *, now: datetime) -> None:
    """If the thanks that a receiver was told of were announced, the announcement says what holds now; `n` is its edit.

    In turn, so that who has read last is said last.
    """
    program_id, (_, _, recognition_id) = told.program_id, told.reference.partition("/")
    first = await recognitions.get(session, program_id, recognition_id)
    announced = announcement_key(first.key)
    if announced is None:
        return
    await dispatches.take_turn(session, announced)
    place = await slack_messages.find_place(session, program_id, announced)
    if place is None:
        return
    given = await recognitions.list_under(session, program_id, first.key)
    content = await _render(session, program_id, place.connection_id, [one for one in given if one.stands], given[0])
    # An erasure finds it by how its key begins.
    key = f"{announced}/{n}"
    said = Outgoing(key, place.connection_id, place.conversation, content, MessageKind.EDIT, edits=announced)
    await slack_messages.send(session, program_id, [said], now=now)


async def _render(
    session: AsyncSession, program_id: str, connection_id: str, standing: Sequence[Recognition], first: Recognition
) -> Mapping[str, Any]:
    giver = await _find_user(session, program_id, connection_id, first.giver_id)
    texts = Texts.of(giver.locale if giver else None)
    if not standing:
        return thanks.taken_back(texts)
    who, *whom = [
        await _mention(session, program_id, connection_id, member_id)
        for member_id in (first.giver_id, *(one.receiver_id for one in standing))
    ]
    return thanks.announcement(who, whom, first.amount, first.value, first.reason or "", texts)


async def _mention(session: AsyncSession, program_id: str, connection_id: str, member_id: str) -> Markup:
    """The member as they are known in the workspace, else by their name."""
    user = await _find_user(session, program_id, connection_id, member_id)
    return person(user.user_id) if user else name((await members.get(session, program_id, member_id)).name)


async def _find_user(session: AsyncSession, program_id: str, connection_id: str, member_id: str) -> SlackUser | None:
    accounts = await slack_users.list_of_member(session, program_id, member_id)
    return next((one for one in accounts if one.connection_id == connection_id), None)
