"""Thanks in Slack: by command, form, reaction and typed message, each under a key of its own that is known for ever."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import blocks, forms
from connectors.slack import thanks as words
from domain.asks import Thanks
from domain.commands import Refused
from domain.recognitions import MAX_KEY, Given, Giving, RecognitionPolicy, asked, policy_of
from domain.slack import MessageKind, Outgoing
from relay.slack.answers import Answered, direct, errors
from relay.slack.context import Context
from storage import configurations, recognitions

Said = tuple[Mapping[str, Any], bool]


async def _policy(session: AsyncSession, context: Context) -> RecognitionPolicy | None:
    return policy_of(await configurations.read_active(session, context.program_id))


def giving(context: Context, key: str, receivers: Sequence[str], **said: Any) -> Giving | Refused:
    """Who thanks whom, as members; Refused if a receiver is none, or it is too much for any program."""
    members = [context.member_of(one) for one in receivers]
    assert context.member_id is not None, "only members give"
    return _asked(context, key, context.member_id, members, **said)


def gone(context: Context, key: str, receivers: Sequence[str], **said: Any) -> Giving | Refused:
    """The thanks that are to be taken back, whether or not these people still take part."""
    giver_id = context.link_of(context.asker_id or "")
    if giver_id is None:
        return Refused("member_not_found", "whoever gave is no member")
    return _asked(context, key, giver_id, [context.link_of(one) for one in receivers], **said)


def _asked(context: Context, key: str, giver_id: str, members: Sequence[str | None], **said: Any) -> Giving | Refused:
    known = tuple(member for member in members if member is not None)
    if len(known) < len(members):
        return Refused("member_not_found", "somebody is no member")
    names = {"giver_id": giver_id, "receiver_ids": known, "actor": f"slack:{context.asker_id}"}
    return asked(**{"key": key, "amount": None, "reason": None, **names, **said})


def as_asked(context: Context, ask: Thanks) -> Giving | Refused:
    """What a command or a form asks for."""
    return giving(
        context,
        f"slack:{context.envelope_key}"[:MAX_KEY],
        ask.receivers,
        amount=ask.amount,
        value=ask.value,
        reason=ask.reason,
        public=not ask.private,
    )


# -- By command and by form ----------------------------------------------------------------------------------------


async def by_command(session: AsyncSession, context: Context, ask: Thanks) -> Sequence[Said]:
    """What is said to the giver, and (true) to everybody in the channel."""
    texts = context.texts
    if not ask.receivers or not ask.reason:
        return [(words.lacking(texts), False)]
    outcome = await _give(session, context, ask)
    if isinstance(outcome, Refused):
        return [(blocks.message(words.refusal(outcome, texts)), False)]
    confirmation = words.given(ask.receivers, outcome.recognitions[0].amount, None, texts)
    if ask.private:
        return [(confirmation, False)]
    return [(_announcement(context, ask.receivers, outcome), True)]


async def by_form(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """Given as it was filled in, or what is wrong with it beside its field."""
    texts = context.texts
    try:
        ask = forms.thanks_asked(view["state"]["values"])
    except ValueError:
        return errors("amount", forms.no_number(texts))
    outcome = await _give(session, context, ask)
    if isinstance(outcome, Refused):
        return errors(words.field_of(outcome.code), words.refusal(outcome, texts))
    confirmation = direct(context, words.given(ask.receivers, outcome.recognitions[0].amount, None, texts))
    channel, policy = view["private_metadata"], await _policy(session, context)
    if not ask.private and policy and channel in policy.channels:
        said = _announcement(context, ask.receivers, outcome)
        return Answered([confirmation, Outgoing(f"{context.envelope_key}/1", context.connection.id, channel, said)])
    return Answered([confirmation])


def _announcement(context: Context, receivers: Sequence[str], outcome: Given) -> Mapping[str, Any]:
    one = outcome.recognitions[0]
    assert context.asker_id is not None, "somebody gives"
    return words.announcement(context.asker_id, receivers, one.amount, one.value, one.reason or "", context.texts)


async def _give(session: AsyncSession, context: Context, ask: Thanks) -> Given | Refused:
    wanted = as_asked(context, ask)
    if isinstance(wanted, Refused):
        return wanted
    return await recognitions.give(session, context.program_id, wanted, as_of=context.as_of)


# -- By signs that come and go -------------------------------------------------------------------------------------


async def by_reaction(session: AsyncSession, context: Context, event: Mapping[str, Any]) -> Sequence[Outgoing]:
    """A reaction thanks the author of the message while it is there."""
    policy, item, emoji = await _policy(session, context), event["item"], words.emoji_of(event["reaction"])
    author = event.get("item_user")
    if policy is None or item["type"] != "message" or author is None or emoji not in policy.emoji:
        return []
    is_there = event["type"] == "reaction_added"
    if is_there and item["channel"] not in policy.channels:
        return []
    if is_there and context.member_id is None:
        return []
    team_id = context.connection.config["team_id"]
    key = f"slack:{team_id}:{item['channel']}:{item['ts']}:{event['user']}:{emoji}"
    sign = (giving if is_there else gone)(context, key, [author], amount=policy.emoji[emoji])
    return await _settle(session, context, item["channel"], sign, is_there, event["event_ts"])


async def by_message(session: AsyncSession, context: Context, event: Mapping[str, Any]) -> Sequence[Outgoing]:
    """What was typed thanks people while it is there."""
    policy, channel = await _policy(session, context), event["channel"]
    if policy is None:
        return []
    is_gone = event.get("subtype") == "message_deleted"
    message = event["previous_message"] if is_gone else event
    found = words.typed(message["text"], policy.emoji)
    if found is None:
        return []
    if not is_gone and (channel not in policy.channels or context.member_id is None):
        return []
    key = f"slack:{context.connection.config['team_id']}:{channel}:{message['ts']}"
    sign = (gone if is_gone else giving)(context, key, found.receivers, amount=found.amount, reason=found.reason)
    return await _settle(session, context, channel, sign, not is_gone, event["event_ts"])


async def _settle(
    session: AsyncSession, context: Context, channel: str, sign: Giving | Refused, present: bool, event_ts: str
) -> Sequence[Outgoing]:
    """The sign is there or gone; the giver is told why it gives nothing."""
    outcome: object = sign
    if isinstance(sign, Giving):
        at = _instant(event_ts)
        outcome = await recognitions.settle(
            session, context.program_id, sign, present=present, at=at, as_of=context.as_of
        )
    return [_ephemeral(context, channel, outcome)] if present and isinstance(outcome, Refused) else []


def _instant(ts: str) -> datetime:
    """When Slack says that it happened, to the microsecond."""
    seconds, _, micros = ts.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(micros.ljust(6, "0")[:6] or 0))


def _ephemeral(context: Context, channel: str, refused: Refused) -> Outgoing:
    """Why nothing was given, to the giver alone."""
    content = blocks.message(words.refusal(refused, context.texts))
    key = f"{context.envelope_key}/0"
    kind = MessageKind.EPHEMERAL
    return Outgoing(key, context.connection.id, channel, content, kind, user=context.asker_id)
