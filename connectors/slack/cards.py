"""Cards: what members are told, as Slack's messages in their language; a card that changed is the same message, edited.

Names are names and no mentions: whoever is told of somebody else does not tell them. A button carries an id, which the
server looks up again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.slack import answers, nominations
from connectors.slack.blocks import Block, actions, button, context, header, input, message, modal, section, text_input
from connectors.slack.forms import CHANGE_AMOUNT, DECLINE
from connectors.slack.markup import Markup, bold, joined, lines, link, name, quote
from connectors.slack.redeem import CHOOSE
from connectors.slack.texts import Texts, later
from domain.cards import (
    ESCALATED,
    REMINDER,
    Approval,
    AtRisk,
    Card,
    Celebration,
    ChallengeStep,
    Decided,
    Offer,
    Plain,
    Week,
    Winner,
)
from domain.challenges import ChallengeState
from domain.grace import GraceState
from domain.nominations import Because, NominationState, Verdict
from domain.notifications import CHALLENGE_OPENED, CHALLENGE_SETTLED, Notification
from domain.rewards import RewardState
from domain.sentences import Listed

APPROVE = "laurel.nominations.approve"
WHY = "laurel.awards.why"  # a button: an award, by the id of its event or reward
WRITE_WORDS = "laurel.celebrations.write"  # a button: a celebration, by its notification's id
WORDS = "laurel.celebrations.add"  # the form behind it, with the same id
MAX_LINES = 40  # of a digest


def render(card: Card, texts: Texts) -> dict[str, Any]:
    """The message as Slack takes it."""
    match card:
        case Plain():
            return _plain(card, texts)
        case Approval():
            return _approval(card, texts)
        case Offer():
            return _offer(card, texts)
        case AtRisk():
            return _at_risk(card, texts)
        case ChallengeStep():
            return _challenge(card, texts)
        case Celebration():
            return _celebration(card, texts)
        case Week():
            return _week(card, texts)


def _plain(card: Plain, texts: Texts) -> dict[str, Any]:
    subject, body = texts.written(card.subject), texts.written(card.body)
    blocks: list[Block] = [section(lines([bold(subject), body]))]
    if card.event_id:
        blocks.append(actions(_why(card.event_id, texts)))
    return message(subject, blocks)


def _why(award_id: str, texts: Texts) -> dict[str, Any]:
    return button(texts.say("Why?"), WHY, value=award_id)


def digest(gathered: Sequence[Notification], texts: Texts) -> dict[str, Any]:
    """What was beyond a day's limit, a line each."""
    told = texts.count("{n} thing that happened since", "{n} things that happened since", len(gathered))
    shown = [_line(one, texts) for one in gathered[:MAX_LINES]]
    left = len(gathered) - len(shown)
    more = [context(texts.say("and {n} more", n=left))] if left else []
    return message(told, [header(told), *(section(line) for line in shown), *more])


def _line(told: Notification, texts: Texts) -> Markup:
    subject, body = (texts.written(one) for one in told.said)
    return joined(" ", [bold(subject), body])


# -- Nominations ---------------------------------------------------------------------------------------------------


# What is told of a nomination that is told of again, while it waits.
_AGAIN: Mapping[str, str] = {
    REMINDER: later("A reminder: {what}"),
    ESCALATED: later("Not decided yet, and now asked of you: {what}"),
}
# Why somebody is asked whom the level does not name; who has not decided has had {time}.
_BECAUSE: Mapping[Because, str] = {
    Because.ESCALATION: later("{name} has not decided in {time}, so you are asked as well."),
    Because.ABSENCE: later("{name} is away, so you are asked instead."),
    Because.CONFLICT: later("{name} cannot decide on this one, so you are asked instead."),
}


def _approval(card: Approval, texts: Texts) -> dict[str, Any]:
    who = {"nominator": name(card.nominator), "nominee": name(card.nominee)}
    told = texts.say("{nominator} nominates {nominee} for {category}.", **who, category=bold(card.category))
    if card.is_open and card.kind in _AGAIN:
        told = texts.say(_AGAIN[card.kind], what=told)
    proposed: list[str] = [texts.say("Proposed: {points}.", points=texts.points(card.amount))]
    if card.evidence:
        proposed.append(link(texts.say("Evidence"), card.evidence))
    # Apart from the reason, which may be clipped: what is approved is not.
    blocks: list[Block] = [section(lines([told, quote(card.reason)])), section(lines(proposed))]
    blocks += [context(_decided(one, texts)) for one in card.decided]
    if card.is_open:
        blocks += [context(joined(" ", _waits(card, texts))), decisions(card.nomination_id, texts)]
    elif card.state is not NominationState.PENDING:
        blocks.append(context(nominations.ended(card.state, texts)))
    return message(told, blocks)


def _waits(card: Approval, texts: Texts) -> Iterator[str]:
    """Why it is asked of this one, how long it has waited, and until when it can be decided."""
    waited = texts.duration(card.waited)
    if card.because in _BECAUSE:
        yield texts.say(_BECAUSE[card.because], name=name(card.in_place_of), time=waited)
    if card.kind == REMINDER:
        yield texts.say("It has waited for {time}.", time=waited)
    yield texts.say("It can be decided until {when}.", when=texts.instant(card.until, card.time_zone))


def decisions(nomination_id: str, texts: Texts) -> Block:
    """The buttons of who decides on a nomination."""
    return actions(
        button(texts.say("Approve"), APPROVE, value=nomination_id, style="primary"),
        button(texts.say("Change the amount"), CHANGE_AMOUNT, value=nomination_id),
        button(texts.say("Decline"), DECLINE, value=nomination_id, style="danger"),
    )


def _decided(one: Decided, texts: Texts) -> Markup:
    if one.verdict is Verdict.APPROVED and one.amount is not None:
        told = texts.say("{name} has approved {points}.", name=name(one.name), points=texts.points(one.amount))
    else:
        told = texts.say("{name} has declined.", name=name(one.name))
    return joined(" ", [told, one.comment] if one.comment else [told])


# -- Rewards and streaks -------------------------------------------------------------------------------------------

_OFFER_OVER: Mapping[RewardState, str] = {
    RewardState.ORDERED: later("You have chosen. You hear from us as soon as it is there."),
    RewardState.DECLINED: later("You did not want it."),
    RewardState.EXPIRED: later("This offer is over: nothing was chosen in time."),
    RewardState.WITHDRAWN: later("This offer is over: what it was given for was taken back."),
}
_RISK_OVER: Mapping[GraceState, str] = {
    GraceState.KEPT: later("Well done: your streak goes on."),
    GraceState.RESTORED: later("Your streak is whole again."),
    GraceState.BROKEN: later("This streak has ended. What is told late, such as an absence, may still restore it."),
}


def _offer(card: Offer, texts: Texts) -> dict[str, Any]:
    told = texts.say("You unlocked a reward: {title}", title=bold(card.title))
    if card.state is not RewardState.OFFERED or card.expires_at is None:
        over = _OFFER_OVER.get(card.state)
        return message(told, [section(told), *([context(texts.say(over))] if over else [])])
    until = texts.say("Choose until {when}.", when=texts.instant(card.expires_at, card.time_zone))
    cost = texts.say("It costs {points}.", points=texts.points(card.price_points)) if card.price_points else ""
    choose = button(texts.say("Choose"), CHOOSE, value=card.reward_id, style="primary")
    said = section(lines([told, joined(" ", filter(None, [until, cost]))]))
    return message(told, [said, actions(choose, _why(card.reward_id, texts))])


def _at_risk(card: AtRisk, texts: Texts) -> dict[str, Any]:
    what: dict[str, str | int] = {"title": bold(card.title), "n": card.length}
    if card.state is not GraceState.OPEN:
        told = texts.say("{title}: your streak of {n}", **what)
        return message(told, [section(lines([told, texts.say(_RISK_OVER[card.state])]))])
    told = texts.say("{title}: your streak of {n} is at risk", **what)
    until = texts.say("Keep it before {when}, and it goes on.", when=texts.instant(card.ends_at, card.time_zone))
    return message(told, [section(lines([told, until]))])


# -- Challenges ----------------------------------------------------------------------------------------------------

_STEPS: Mapping[str, str] = {
    CHALLENGE_OPENED: later("A challenge has begun: {title}"),
    "challenge_half_time": later("{title}: half of the time is over"),
    "challenge_last_day": later("{title}: the last day"),
    CHALLENGE_SETTLED: later("{title}: the results"),
}
_ENDED: Mapping[ChallengeState, str] = {
    ChallengeState.CANCELLED: later("It was called off."),
    ChallengeState.CLOSED: later("It is over. The results come when nothing can come late any more."),
    ChallengeState.SETTLED: later("It is over."),
}


def _challenge(card: ChallengeStep, texts: Texts) -> dict[str, Any]:
    """The opening says all of it; what follows says only what is new."""
    told = texts.say(_STEPS[card.kind], title=bold(card.title))
    parts: list[str] = [told]
    if card.kind == CHALLENGE_OPENED:
        parts += _what_it_is(card, texts)
    if card.kind == CHALLENGE_SETTLED:
        first = [texts.say("{rank}. {name} with {amount}", **_winner(one)) for one in card.first]
        return message(told, [section(lines([*parts, *first])), context(_people(card, texts))])
    return message(told, [section(lines(parts)), context(joined(" · ", _how_far(card, texts)))])


def _what_it_is(card: ChallengeStep, texts: Texts) -> Iterator[str]:
    if card.description:
        yield card.description
    if card.counts:
        yield texts.say("What counts: {what}.", what=Listed(card.counts))
    if card.bonus:
        yield texts.say("Each time adds {points}.", points=texts.points(card.bonus))
    if card.multiplier:
        yield texts.say("Each time is worth {n} times the points.", n=card.multiplier)


def _how_far(card: ChallengeStep, texts: Texts) -> Iterator[str]:
    if card.state in _ENDED:
        yield texts.say(_ENDED[card.state])
        return
    yield texts.say("until {when}", when=texts.instant(card.until, card.time_zone))
    if card.kind != CHALLENGE_OPENED:
        yield _people(card, texts)
    if card.places_left is not None:
        yield texts.count("{n} place left", "{n} places left", card.places_left)


def _people(card: ChallengeStep, texts: Texts) -> str:
    if not card.people:
        return texts.say("Nobody has completed anything.")
    if card.kind == CHALLENGE_SETTLED:
        return texts.count("{n} person took part", "{n} people took part", card.people)
    return texts.count("{n} person takes part", "{n} people take part", card.people)


def _winner(one: Winner) -> dict[str, str | int]:
    return {"rank": one.rank, "name": name(one.name), "amount": one.amount}


# -- Celebrations --------------------------------------------------------------------------------------------------


def _celebration(card: Celebration, texts: Texts) -> dict[str, Any]:
    who = name(card.name)
    if card.years is None:
        told = texts.say("Happy birthday, {name}!", name=who)
    else:
        told = texts.count("{name}: a year of work today!", "{name}: {n} years of work today!", card.years, name=who)
    blocks: list[Block] = [section(bold(told))]
    if card.earned:
        earned = texts.listed(texts.amount(n, unit) for unit, n in card.earned)
        blocks.append(section(texts.say("The day has brought {earned}.", earned=earned)))
    blocks += [section(lines([bold(name(one.name)), quote(one.words)])) for one in card.words]
    if card.more:
        blocks.append(context(texts.count("{n} more has written", "{n} more have written", card.more)))
    return message(told, [*blocks, *_beneath(card, texts)])


def _beneath(card: Celebration, texts: Texts) -> list[Block]:
    """In a channel others write; directly, the member may ask why."""
    if card.is_public:
        return [actions(button(texts.say("Add your words"), WRITE_WORDS, value=card.notification_id))]
    return [actions(_why(card.event_id, texts))] if card.event_id else []


def words_title(texts: Texts) -> str:
    return texts.say("Add your words")


def words_form(notification_id: str, own: str | None, texts: Texts, *, most: int) -> dict[str, Any]:
    """The form in which a colleague writes, or writes anew, what they wish."""
    field = text_input("words", initial=own, multiline=True, least=1, most=most)
    return modal(
        words_title(texts),
        [input(texts.say("Your words"), field, block_id="words")],
        callback=WORDS,
        close=texts.say("Close"),
        submit=texts.say("Add"),
        metadata=notification_id,
    )


# -- The week ------------------------------------------------------------------------------------------------------


def _week(card: Week, texts: Texts) -> dict[str, Any]:
    told = texts.say("Your week")
    parts: list[str] = []
    if card.earned:
        earned = texts.listed(texts.amount(n, unit) for unit, n in card.earned)
        parts.append(texts.say("You earned {earned}.", earned=earned))
    parts += [texts.say("{title}: {n} in a row", title=bold(title), n=n) for title, n in card.streaks]
    for title, ends_at in card.ending:
        when = texts.instant(ends_at, card.time_zone)
        parts.append(texts.say("{title} ends on {when}.", title=bold(title), when=when))
    parts += _place(card, texts)
    days = context(f"{texts.date(card.first_day)} \N{EN DASH} {texts.date(card.last_day)}")
    return message(told, [header(told), days, section(lines(parts))])


def _place(card: Week, texts: Texts) -> Iterator[str]:
    """Where the member stands now, if that has a number."""
    if card.places is None:
        return
    own = next((line for line in card.places.lines if line.is_own), None)
    if own and own.rank:
        yield texts.say("Your place now: {rank} ({board}).", rank=own.rank, board=answers.about(card.places, texts))
