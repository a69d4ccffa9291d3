"""Thanks in Slack: by command, form, reaction and typed message, each under a key of its own that is known for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import blocks, forms
from connectors.slack import thanks as words
from connectors.slack.markup import person
from domain.asks import Thanks
from domain.commands import Refused
from domain.recognitions import (
    IN_SLACK,
    MAX_KEY,
    Given,
    Giving,
    RecognitionPolicy,
    announcement_key,
    as_declared,
    asked,
    policy_of,
)
from domain.slack import MessageKind, Outgoing, way_back
from domain.slack_users import UserKind
from relay.slack.answers import Answered, direct, errors, reply
from relay.slack.context import Context
from relay.slack.people import PEOPLE_MAX
from storage import configurations, recognitions


async def _policy(session: AsyncSession, context: Context) -> RecognitionPolicy | None:
    return policy_of(await configurations.read_active(session, context.program_id))


def giving(context: Context, key: str, receivers: Sequence[str], **said: Any) -> Giving | Refused:
    """Who thanks whom, as members; Refused if a receiver is none, or it is too much for any program."""
    assert context.member_id is not None, "only members give"
    if (number := len(receivers)) >= PEOPLE_MAX:
        numbers = {"receivers": number, "limit": PEOPLE_MAX - 1}
        return Refused("too_many_receivers", f"{number} are thanked", numbers=numbers)
    members = [context.member_of(one) for one in receivers]
    known = tuple(member for member in members if member is not None)
    if len(known) < len(members):
        return Refused("member_not_found", "somebody is no member")
    names = {"giver_id": context.member_id, "receiver_ids": known, "actor": f"slack:{context.asker_id}"}
    return asked(**{"key": key, "amount": None, "reason": None, **names, **said})


def as_asked(context: Context, ask: Thanks) -> Giving | Refused:
    """What a command or a form asks for."""
    return giving(
        context,
        f"{IN_SLACK}{context.envelope_key}"[:MAX_KEY],
        ask.receivers,
        amount=ask.amount,
        value=ask.value,
        reason=ask.reason,
        public=not ask.private,
    )


# -- By command and by form ----------------------------------------------------------------------------------------


async def by_command(
    session: AsyncSession, context: Context, ask: Thanks, body: Mapping[str, Any]
) -> Sequence[Outgoing]:
    """What became of it, said to the giver in any case; everybody in the channel reads of thanks that are public.

    The app may not be in the channel: then the announcement is said by the command's own URL.
    """
    texts = context.texts
    if not ask.receivers or not ask.reason:
        return [reply(context, body, words.lacking(texts))]
    outcome = await _give(session, context, ask)
    if isinstance(outcome, Refused):
        return [reply(context, body, blocks.message(words.refusal(outcome, texts)))]
    confirmation = reply(context, body, words.given(ask.receivers, outcome.recognitions[0].amount, texts))
    if ask.private:
        return [confirmation]
    return [
        confirmation,
        _announcement(context, body["channel_id"], ask.receivers, outcome, way_back(body, context.asked_at)),
    ]


async def by_form(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """Given as it was filled in, or what is wrong with it beside its field."""
    texts, policy = context.texts, await _policy(session, context)
    try:
        ask = forms.thanks_asked(view["state"]["values"], policy.values if policy else ())
    except ValueError:
        return errors("amount", forms.no_number(texts))
    outcome = await _give(session, context, ask)
    if isinstance(outcome, Refused):
        return errors(words.field_of(outcome.code), words.refusal(outcome, texts))
    confirmation = direct(context, words.given(ask.receivers, outcome.recognitions[0].amount, texts))
    channel = view["private_metadata"]
    if not ask.private and policy and channel in policy.channels:
        return Answered([confirmation, _announcement(context, channel, ask.receivers, outcome)])
    return Answered([confirmation])


def _announcement(
    context: Context, channel: str, receivers: Sequence[str], outcome: Given, beside: Mapping[str, Any] | None = None
) -> Outgoing:
    one = outcome.recognitions[0]
    assert context.asker_id is not None, "somebody gives"
    whom = [person(user_id) for user_id in receivers]
    said = words.announcement(person(context.asker_id), whom, one.amount, one.value, one.reason or "", context.texts)
    key = announcement_key(one.key)
    assert key is not None, "it was asked for in Slack"
    return Outgoing(key, context.connection.id, channel, {**said, **(beside or {})}, user=context.asker_id)


async def _give(session: AsyncSession, context: Context, ask: Thanks) -> Given | Refused:
    policy = await _policy(session, context)
    if policy and ask.value:
        ask = replace(ask, value=as_declared(policy, ask.value))
    wanted = as_asked(context, ask)
    if isinstance(wanted, Refused):
        return wanted
    return await recognitions.give(session, context.program_id, wanted, as_of=context.as_of)


# -- By signs that come and go -------------------------------------------------------------------------------------


def may_thank(policy: RecognitionPolicy | None, event: Mapping[str, Any]) -> bool:
    """Whether the event is a sign of thanks that is there: others name nobody who would have to be known."""
    if policy is None:
        return False
    if event["type"] == "reaction_added":
        item = event["item"]
        thanks = words.emoji_of(event["reaction"]) in policy.emoji and bool(event.get("item_user"))
        return thanks and item["type"] == "message" and item["channel"] in policy.channels
    said = event["type"] == "message" and not event.get("subtype") and event["channel"] in policy.channels
    return bool(said and words.typed(event["text"], policy.emoji))


async def by_reaction(session: AsyncSession, context: Context, event: Mapping[str, Any]) -> Sequence[Outgoing]:
    """A reaction thanks the author of the message while it is there."""
    item, emoji = event["item"], words.emoji_of(event["reaction"])
    if item["type"] != "message":
        return []
    key = f"{_place(context, item['channel'], item['ts'])}:{event['user']}:{emoji}"
    policy = await _policy(session, context)
    if event["type"] == "reaction_removed":
        return await _take_away(session, context, key, event, likely=policy is not None and emoji in policy.emoji)
    if policy is None or not may_thank(policy, event):
        return []
    if context.member_id is None:
        return _excuse(context, item["channel"])
    sign = giving(context, key, [event["item_user"]], amount=policy.emoji[emoji])
    return await _give_sign(session, context, item["channel"], sign, event)


async def by_message(session: AsyncSession, context: Context, event: Mapping[str, Any]) -> Sequence[Outgoing]:
    """What was typed thanks people until it is deleted; to edit it changes nothing."""
    policy = await _policy(session, context)
    if event.get("subtype") == "message_deleted":
        message = event["previous_message"]
        likely = policy is not None and words.typed(message["text"], policy.emoji) is not None
        key = _place(context, event["channel"], message["ts"])
        return await _take_away(session, context, key, event, likely=likely)
    found = words.typed(event["text"], policy.emoji) if policy and may_thank(policy, event) else None
    if found is None:
        return []
    if context.member_id is None:
        return _excuse(context, event["channel"])
    key = _place(context, event["channel"], event["ts"])
    sign = giving(context, key, found.receivers, amount=found.amount, reason=found.reason)
    return await _give_sign(session, context, event["channel"], sign, event)


def _place(context: Context, channel: str, ts: str) -> str:
    """A message's name in every workspace."""
    return f"{IN_SLACK}{context.connection.config['team_id']}:{channel}:{ts}"


async def _give_sign(
    session: AsyncSession, context: Context, channel: str, sign: Giving | Refused, event: Mapping[str, Any]
) -> Sequence[Outgoing]:
    """The sign is there; its giver is told why it gives nothing."""
    outcome: object = sign
    if isinstance(sign, Giving):
        at = _instant(event["event_ts"])
        outcome = await recognitions.settle(session, context.program_id, sign, present=True, at=at, as_of=context.as_of)
    if not isinstance(outcome, Refused):
        return []
    content = blocks.message(words.refusal(outcome, context.texts))
    return [_whisper(context, f"{context.envelope_key}/0", channel, content)]


def _excuse(context: Context, channel: str) -> Sequence[Outgoing]:
    """Why who takes no part gives nothing, to them alone and once a day: their signs are none to others."""
    user = context.users.get(context.asker_id or "")
    if user is None or user.kind is UserKind.BOT:
        return []
    key = f"apart/{context.connection.id}/{user.user_id}/{context.as_of:%Y-%m-%d}"
    return [_whisper(context, key, channel, blocks.message(context.excuse))]


async def _take_away(
    session: AsyncSession, context: Context, key: str, event: Mapping[str, Any], *, likely: bool
) -> Sequence[Outgoing]:
    """The sign is gone: whoever gave it, whatever emoji and channels stand for now.

    A `likely` one that was never seen may still come; of others nothing is kept.
    """
    if not likely and not await recognitions.has_given(session, context.program_id, key):
        return []
    at, actor = _instant(event["event_ts"]), f"slack:{event.get('user', '')}"
    await recognitions.take_away(session, context.program_id, key, at=at, actor=actor, as_of=context.as_of)
    return []


def _instant(ts: str) -> datetime:
    """When Slack says that it happened, to the microsecond."""
    seconds, _, micros = ts.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(micros.ljust(6, "0")[:6] or 0))


def _whisper(context: Context, key: str, channel: str, content: Mapping[str, Any]) -> Outgoing:
    """Said to who gave the sign alone, where they did."""
    return Outgoing(key, context.connection.id, channel, content, MessageKind.EPHEMERAL, user=context.asker_id)
