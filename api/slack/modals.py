"""Modals: a window opens at once, while the trigger lasts, and is filled when what it shows has been read.

Nothing is lost if it is not: whoever asked reads so in the window, and asks again.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from connectors.errors import OutsideError
from connectors.slack import answers, cards, commands, forms, redeem
from connectors.slack import preferences as settings
from connectors.slack.blocks import View
from connectors.slack.texts import Texts
from connectors.slack.web import Slacks
from domain.answers import Shop
from domain.asks import Nominate, Settings
from domain.celebrations import MAX_WORDS_LENGTH
from domain.connections import Connection
from domain.notifications import policy_of as telling_of
from domain.recognitions import policy_of
from domain.redemptions import find
from domain.slack import RESPONSE_URL, EnvelopeKind, KeptEnvelope, MessageKind, Outgoing, way_back
from domain.slack_users import Apart, SlackUser
from domain.time import Clock
from relay.slack.people import People
from storage import (
    celebrations,
    configurations,
    connections,
    nominations,
    preferences,
    redemptions,
    slack_messages,
    slack_users,
)
from storage.database import Database
from storage.keyring import Keyring

log = structlog.get_logger()

Body = Mapping[str, Any]


class Modals:
    """Opens what a command, a shortcut or a button asks for; most ask for none."""

    def __init__(self, database: Database, keyring: Keyring, slacks: Slacks, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._slacks = slacks
        self._people = People(database, slacks, clock)
        self._clock = clock

    async def open(self, kept: KeptEnvelope) -> None:
        """Open and fill the window that was asked for; what Slack refuses is logged."""
        wanted = _wanted(kept)
        if wanted is None:
            return
        title, fill = wanted
        user_id = _asker_of(kept)
        async with self._database.begin() as session:
            connection = await connections.get(session, self._keyring, kept.program_id, kept.connection_id)
            user = await slack_users.find(session, kept.program_id, kept.connection_id, user_id)
        texts = Texts.of(user.locale if user else None)
        try:
            await self._show(connection, kept, forms.skeleton(title(texts), texts), fill, user, texts)
        except OutsideError as error:
            log.warning("a window was not shown", envelope=kept.key, error=str(error))
            await self._apologise(kept, user_id, texts)

    async def _apologise(self, kept: KeptEnvelope, user_id: str, texts: Texts) -> None:
        """Who asked reads where they did that no window came, as soon as Slack takes anything."""
        content = {"text": texts.say("This cannot be shown just now. Please try again in a minute.")}
        kind = MessageKind.POST
        if kept.body.get(RESPONSE_URL):
            content |= {"response_type": "ephemeral", **way_back(kept.body, kept.recorded_at)}
            kind = MessageKind.RESPOND
        message = Outgoing(f"{kept.key}/window", kept.connection_id, user_id, content, kind)
        async with self._database.begin() as session:
            await slack_messages.send(session, kept.program_id, [message], now=self._clock())

    async def _show(
        self,
        connection: Connection,
        kept: KeptEnvelope,
        skeleton: View,
        fill: "Fill",
        user: SlackUser | None,
        texts: Texts,
    ) -> None:
        slack = await self._slacks.of(connection)
        view_id = _window_of(kept)
        if view_id is None:
            opened = await slack.write("views.open", {"trigger_id": kept.body["trigger_id"], "view": skeleton})
            view_id = opened["view"]["id"]
        title = skeleton["title"]["text"]
        try:
            if user is None or user.member_id is None:
                user = await self._meet(connection, kept) or user
                texts = Texts.of(user.locale if user else None)
            view = await self._filled(kept, title, fill, user, texts)
            await slack.write("views.update", {"view_id": view_id, "view": view})
        except Exception as error:
            log.warning("a window was not filled", envelope=kept.key, error=f"{type(error).__name__}: {error}")
            told = texts.say("This cannot be shown just now. Please try again in a minute.")
            view = forms.excuse(title, told, texts)
            await slack.write("views.update", {"view_id": view_id, "view": view})

    async def _meet(self, connection: Connection, kept: KeptEnvelope) -> SlackUser | None:
        """Who asks and was no member before; None while Slack does not say."""
        user_id = _asker_of(kept)
        try:
            return (await self._people.know(connection, user_id, (), eager=True)).get(user_id)
        except OutsideError:
            return None

    async def _filled(self, kept: KeptEnvelope, title: str, fill: "Fill", user: SlackUser | None, texts: Texts) -> View:
        try:
            async with self._database.begin() as session:
                why = await slack_users.read_apart(session, kept.program_id, user)
                if why in (Apart.LEFT, Apart.OUTSIDE):  # who is not known yet, is when the form is handed in
                    return forms.excuse(title, answers.apart(why, texts), texts)
                return await fill(session, kept, user, texts)
        except LookupError:
            return forms.excuse(title, texts.say("It is not there any more."), texts)


Fill = Callable[[AsyncSession, KeptEnvelope, SlackUser | None, Texts], Awaitable[View]]
Title = Callable[[Texts], str]


def _wanted(kept: KeptEnvelope) -> tuple[Title, Fill] | None:
    """The window's title and what fills it."""
    match kept.kind:
        case EnvelopeKind.COMMAND:
            return _BY_ASK.get(type(commands.parse(kept.body.get("text", ""))))
        case EnvelopeKind.SHORTCUT:
            return _BY_SHORTCUT.get(kept.body["callback_id"])
        case EnvelopeKind.ACTION:
            return _BY_ACTION.get(kept.body["actions"][0]["action_id"])
    return None


def _asker_of(kept: KeptEnvelope) -> str:
    return str(kept.body.get("user_id") or kept.body["user"]["id"])


def _window_of(kept: KeptEnvelope) -> str | None:
    """The window in which it was asked for: that one changes, and none is opened."""
    view = kept.body.get("view", {})
    return str(view["id"]) if view.get("type") == "modal" else None


# -- What fills them -----------------------------------------------------------------------------------------------


async def _nomination(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    active = await configurations.read_active(session, kept.program_id)
    title = forms.nomination_title(texts)
    if not active.nominations:
        return forms.excuse(title, texts.say("Your company has no nominations yet: ask your HR team."), texts)
    ask = commands.parse(kept.body.get("text", ""))
    nominee = ask.nominee if isinstance(ask, Nominate) else None
    return forms.nomination(active.nominations.values(), texts, nominee)


async def _change(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    nomination = await nominations.get(session, kept.program_id, kept.body["actions"][0]["value"])
    category = await nominations.get_category(session, nomination)
    return forms.change_of_amount(nomination, category.max_amount, texts)


async def _decline(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    nomination = await nominations.get(session, kept.program_id, kept.body["actions"][0]["value"])
    return forms.decline(nomination, texts)


async def _thanks(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    definition = policy_of(await configurations.read_active(session, kept.program_id))
    title = forms.thanks_title(texts)
    if definition is None:
        return forms.excuse(title, texts.say("Your company has no thanks with points yet: ask your HR team."), texts)
    author = kept.body.get("message", {}).get("user")
    channel = kept.body.get("channel", {}).get("id", "")
    return forms.thanks(
        definition.values,
        texts,
        least_reason=definition.reason_at_least,
        receivers=[author] if author else [],
        channel=channel,
    )


async def _shop(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    """The catalog, or one offer, narrowed by what is searched for."""
    shop = await _read_shop(session, kept, user)
    pressed = kept.body["actions"][0]
    match pressed["action_id"]:
        case redeem.CHOOSE:
            return redeem.shop_view(shop, texts, reward_id=pressed["value"])
        case redeem.SEARCH:
            reward_id, words = kept.body["view"]["private_metadata"], pressed.get("value") or ""
            return redeem.shop_view(shop, texts, reward_id=reward_id or None, search=words)
    return redeem.shop_view(shop, texts)


async def _selected(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    """The one thing whose button was pressed."""
    shop = await _read_shop(session, kept, user)
    selected = find(shop, redeem.read_selection(kept.body["actions"][0]["value"]))
    if selected is None:
        raise LookupError("it is not to be had any more")
    return redeem.confirm_view(shop, selected, texts)


async def _read_shop(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None) -> Shop:
    if user is None or user.member_id is None:
        raise LookupError("there is nothing for who is no member")
    return await redemptions.read_shop(session, kept.program_id, user.member_id, as_of=kept.recorded_at)


async def _words(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    """Who is not known yet has written nothing before: whether they may is asked when they send it."""
    notification_id = kept.body["actions"][0]["value"]
    known = user.member_id if user else None
    own = await celebrations.find_words(session, kept.program_id, notification_id, known) if known else None
    return cards.words_form(notification_id, own, texts, most=MAX_WORDS_LENGTH)


async def _settings(session: AsyncSession, kept: KeptEnvelope, user: SlackUser | None, texts: Texts) -> View:
    """What holds for the member; without one there is nothing to change."""
    if user is None or user.member_id is None:
        return forms.excuse(settings.title(texts), answers.apart(Apart.UNKNOWN, texts), texts)
    declared = telling_of(await configurations.read_active(session, kept.program_id)).wishes
    said = await preferences.find(session, kept.program_id, user.member_id)
    return settings.form(said.over(declared), declared, texts)


_BY_ASK: Mapping[type, tuple[Title, Fill]] = {
    Nominate: (forms.nomination_title, _nomination),
    Settings: (settings.title, _settings),
}
_BY_SHORTCUT: Mapping[str, tuple[Title, Fill]] = {
    forms.OPEN_NOMINATION: (forms.nomination_title, _nomination),
    forms.OPEN_THANKS: (forms.thanks_title, _thanks),
    forms.THANK_AUTHOR: (forms.thanks_title, _thanks),
}
_BY_ACTION: Mapping[str, tuple[Title, Fill]] = {
    forms.OPEN_NOMINATION: (forms.nomination_title, _nomination),
    forms.OPEN_THANKS: (forms.thanks_title, _thanks),
    forms.CHANGE_AMOUNT: (lambda texts: texts.say("Change the amount"), _change),
    forms.DECLINE: (lambda texts: texts.say("Decline"), _decline),
    settings.OPEN: (settings.title, _settings),
    cards.WRITE_WORDS: (cards.words_title, _words),
    redeem.SELECT: (redeem.title, _selected),
    **dict.fromkeys((redeem.OPEN, redeem.CHOOSE, redeem.SEARCH), (redeem.title, _shop)),
}
