"""Answers: what a member asked for, as a message that only the member sees. Names on boards are names, not mentions."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from connectors.slack import guide, reasons
from connectors.slack.blocks import Block, actions, button, context, divider, message, section
from connectors.slack.markup import Markup, bold, joined, lines, name
from connectors.slack.redeem import CHOOSE, OPEN, SELECT, priced, selection_value
from connectors.slack.texts import Texts, later
from domain.answers import (
    Answer,
    Balances,
    Holding,
    Line,
    NoPlaces,
    NothingKnown,
    Offer,
    OpenChallenges,
    Places,
    Progress,
    Reasons,
    Shop,
    Streaks,
    StreakStanding,
    Unplaced,
)
from domain.asks import Help, Unknown
from domain.configuration import POINTS, UnitKind
from domain.game import Board, Cadence, Window
from domain.leaderboards import BUILT_IN, PARTS
from domain.redemptions import Selection
from domain.sentences import Listed, Value
from domain.slack_users import Apart
from domain.streaks import StreakState

MAX_STREAKS = 20  # that are shown at once
MAX_CHALLENGES = 15
MAX_ITEMS = 8  # of the catalog; the modal has all

_BUILT_IN = {"company": later("Company"), "department": later("Department")}
_WINDOWS = {Window.WEEK: later("this week"), Window.MONTH: later("this month"), Window.LIFETIME: later("of all time")}
_UNPLACED = {
    Unplaced.AWAY: later("The boards cannot be read just now. Try again in a minute; your points are safe."),
    Unplaced.HIDDEN: later("You have chosen not to be on boards, so you have no place."),
    Unplaced.NO_PLACE: later("There is no place to show: you have earned nothing here yet, or too few people have."),
    Unplaced.NO_BOARD: later("There is no such board."),
}
_APART = {
    Apart.UNKNOWN: later(
        "I do not know you yet: no member of the program has the e-mail address of your Slack account. Ask your HR "
        "team to add it, and try again; nothing that you were given meanwhile is lost."
    ),
    Apart.OUTSIDE: later("Guests and people of other companies do not take part here. Nothing was done."),
    Apart.LEFT: later("You do not take part any more. Ask your administrator if that is not right."),
}


def apart(why: Apart, texts: Texts) -> str:
    """What somebody is told who takes no part, and what they can do about it."""
    return texts.say(_APART[why])


def render(answer: Answer, texts: Texts) -> dict[str, Any]:
    """The message as Slack takes it."""
    match answer:
        case Balances():
            return _balances(answer, texts)
        case Reasons():
            told = reasons.paragraph(answer, texts)
            return message(told, [section(told)])
        case NothingKnown():
            return _nothing(answer, texts)
        case Streaks():
            return _streaks(answer, texts)
        case Places():
            return _places(answer, texts)
        case NoPlaces():
            return _no_places(answer, texts)
        case OpenChallenges():
            return _challenges(answer, texts)
        case Shop():
            return _rewards(answer, texts)
        case Help():
            return guide.help_answer(answer, texts)
        case Unknown():
            return guide.unknown_answer(answer, texts)


def _nothing(answer: NothingKnown, texts: Texts) -> dict[str, Any]:
    if answer.asked.reference is not None:
        told = texts.say("Nothing of yours is known by that name.")
    elif answer.asked.nothing:
        told = texts.say("Everything that was told of you lately earned you something.")
    else:
        told = texts.say("Nothing was told of you yet, so there is nothing to explain.")
    return message(told, [section(told)])


# -- What a member has ---------------------------------------------------------------------------------------------


def _balances(answer: Balances, texts: Texts) -> dict[str, Any]:
    mine = [one for one in answer.holdings if one.unit.key == POINTS.key]
    others = [one for one in answer.holdings if one.unit.key != POINTS.key]
    summary = texts.say("You have {points}.", points=texts.points(mine[0].balance.available if mine else 0))
    blocks: list[Block] = [section(bold(summary))]
    if details := [line for one in mine for line in holding_details(one, answer.time_zone, texts)]:
        blocks.append(section(lines(details)))
    blocks += [section(lines(holding_lines(one, answer.time_zone, texts))) for one in others]
    return message(summary, [*blocks, actions(button(texts.say("See rewards"), OPEN))])


def holding_details(holding: Holding, time_zone: str, texts: Texts) -> Iterator[str]:
    """What is worth knowing of an amount beside what can be spent."""
    has = holding.balance
    if has.next_expiry_at is not None:
        amount = texts.amount(has.next_expiry_amount, holding.unit)
        yield texts.say(
            "{amount} will lapse on {when}.", amount=amount, when=texts.instant(has.next_expiry_at, time_zone)
        )
    if has.held:
        amount = texts.amount(has.held, holding.unit)
        yield texts.say("Set aside for what you ordered: {amount}.", amount=amount)
    if has.pending:
        amount = texts.amount(has.pending, holding.unit)
        yield texts.say("Promised, and not yours to spend yet: {amount}.", amount=amount)
    if has.debt:
        amount = texts.amount(has.debt, holding.unit)
        yield texts.say("You owe {amount}: what you earn next pays that back first.", amount=amount)


def holding_lines(holding: Holding, time_zone: str, texts: Texts) -> Iterator[str]:
    """An amount that is not points, or what can be given away."""
    amount = texts.amount(holding.balance.available, holding.unit)
    if holding.unit.kind is not UnitKind.ALLOWANCE:
        yield bold(amount)
        yield from holding_details(holding, time_zone, texts)
    elif holding.refilled_at is None:
        yield texts.say("To give away: {amount}.", amount=bold(amount))
    else:
        until = texts.instant(holding.refilled_at, time_zone)
        yield texts.say("To give away: {amount}, anew on {when}.", amount=bold(amount), when=until)


# -- Streaks -------------------------------------------------------------------------------------------------------


def _streaks(answer: Streaks, texts: Texts) -> dict[str, Any]:
    if not answer.standings:
        told = texts.say("There are no streaks here yet.")
        return message(told, [section(told)])
    shown = answer.standings[:MAX_STREAKS]
    summary = texts.listed(f"{one.title}: {_length(one.current, one.cadence, texts)}" for one in shown)
    return message(summary, [section(lines(streak_lines(one, answer.time_zone, texts))) for one in shown])


def streak_lines(one: StreakStanding, time_zone: str, texts: Texts) -> Iterator[str]:
    """How long it is, what is to be done until when, and what saves it."""
    length = _length(one.current, one.cadence, texts)
    longest = _length(one.longest, one.cadence, texts)
    yield texts.say(
        "{streak}: {length} in a row; the longest was {longest}.",
        streak=bold(one.title),
        length=length,
        longest=longest,
    )
    yield from _what_now(one, time_zone, texts)
    if one.freezes:
        yield texts.count(
            "You have {n} freeze, which saves it once when you miss.",
            "You have {n} freezes, each of which saves it once when you miss.",
            one.freezes,
        )


def _length(n: int, cadence: Cadence, texts: Texts) -> str:
    if cadence is Cadence.DAILY:
        return texts.count("{n} day", "{n} days", n)
    if cadence is Cadence.WEEKLY:
        return texts.count("{n} week", "{n} weeks", n)
    return texts.count("{n} month", "{n} months", n)


def _what_now(one: StreakStanding, time_zone: str, texts: Texts) -> Iterator[str]:
    """What is to be done, until when."""
    lacking: dict[str, Value] = {"n": max(one.needed - one.done, 0), "what": Listed(one.counts)}
    if one.current == 0:
        yield texts.say("It is not running. This starts it, {n} more: {what}.", **lacking)
    elif one.state is StreakState.PROTECTED:
        yield texts.say("It is protected: nothing is asked of you now.")
    elif one.state is StreakState.AT_RISK and one.breaks_at is not None and lacking["n"]:
        when = texts.instant(one.breaks_at, time_zone)
        yield texts.say("It is at risk and breaks on {when}, unless you do {n} more: {what}.", when=when, **lacking)
    elif one.deadline is not None and lacking["n"]:
        when = texts.instant(one.deadline, time_zone)
        yield texts.say("{n} more by {when} will keep it: {what}.", when=when, **lacking)
    elif one.deadline is not None:
        when = texts.instant(one.deadline, time_zone)
        yield texts.say("You have done enough until {when}.", when=when)


# -- Boards --------------------------------------------------------------------------------------------------------


def _places(answer: Places, texts: Texts) -> dict[str, Any]:
    own = next((line for line in answer.lines if line.is_own), None)
    summary = texts.say("Your place is {rank}.", rank=own.rank) if own and own.rank else about(answer, texts)
    return message(summary, list(place_blocks(answer, texts)))


def place_blocks(answer: Places, texts: Texts) -> Iterator[Block]:
    """The board's name, the places around, and how many the member is ahead of."""
    yield section(bold(about(answer, texts)))
    yield section(lines(_line(line, answer, texts) for line in answer.lines))
    if answer.percentile:
        yield context(texts.say("You are ahead of {n} % of all who have a place.", n=answer.percentile))


def about(answer: Places, texts: Texts) -> Markup:
    """Which board it is, of whom and of when."""
    return joined(", ", [_title(answer.board, texts), *answer.cohort, texts.say(_WINDOWS[answer.board.window])])


def _title(board: Board, texts: Texts) -> str:
    if board == BUILT_IN.get(board.key):
        return texts.say(_BUILT_IN[board.key])
    return board.title or board.key


def _line(line: Line, answer: Places, texts: Texts) -> Markup:
    per_day = answer.board.per_working_day
    amount = (
        texts.say("{n} a working day", n=texts.number(Decimal(line.amount) / PARTS))
        if per_day
        else texts.amount(line.amount, answer.unit)
    )
    who = joined(" ", [name(line.name), texts.say("(you)")]) if line.is_own else name(line.name)
    told = joined(" ", [f"{texts.number(line.rank)}." if line.rank else "·", who, "·", amount])
    return bold(told) if line.is_own else told


def why_unplaced(reason: Unplaced, texts: Texts) -> str:
    """Why there is no place to show, in words."""
    return texts.say(_UNPLACED[reason])


def _no_places(answer: NoPlaces, texts: Texts) -> dict[str, Any]:
    told = why_unplaced(answer.reason, texts)
    blocks = [section(told)]
    if answer.reason is Unplaced.NO_BOARD:
        boards = texts.listed(_title(one, texts) for one in answer.boards)
        blocks.append(section(texts.say("There are these: {boards}.", boards=boards)))
    return message(told, blocks)


# -- Challenges ----------------------------------------------------------------------------------------------------


def _challenges(answer: OpenChallenges, texts: Texts) -> dict[str, Any]:
    if not answer.progress:
        told = texts.say("No challenge is open for you just now.")
        return message(told, [section(told)])
    summary = texts.count("{n} challenge is open.", "{n} challenges are open.", len(answer.progress))
    shown = answer.progress[:MAX_CHALLENGES]
    return message(summary, [block for one in shown for block in challenge_blocks(one, answer.time_zone, texts)])


def challenge_blocks(one: Progress, time_zone: str, texts: Texts) -> Iterator[Block]:
    """What it is, until when, and how far the member is."""
    told = [bold(one.challenge.title or one.challenge.key), one.challenge.description]
    yield section(lines(filter(None, told)))
    until = texts.say("until {when}", when=texts.instant(one.challenge.until, time_zone))
    yield context(joined(" · ", [until, *_progress(one, texts)]))


def _progress(one: Progress, texts: Texts) -> Iterator[str]:
    goal = one.challenge.goal
    if goal:
        whose = {"done": one.amount, "target": goal.target}
        yield (
            texts.say("your team: {done} of {target}", **whose)
            if goal.team
            else texts.say("{done} of {target}", **whose)
        )
    elif one.completions:
        yield texts.count("completed once", "completed {n} times", one.completions)
    else:
        yield texts.say("not completed yet")
    if one.rank is not None:
        yield texts.say("place {rank} so far", rank=one.rank)
    if one.places_left is not None:
        yield texts.count("{n} place left", "{n} places left", one.places_left)
    if one.points:
        yield texts.say("{points} so far", points=texts.points(one.points))


# -- Rewards -------------------------------------------------------------------------------------------------------


def _rewards(shop: Shop, texts: Texts) -> dict[str, Any]:
    summary = texts.say("You have {points}.", points=texts.points(shop.points))
    blocks: list[Block] = [section(bold(summary))]
    blocks += [offer_block(offer, shop.time_zone, texts) for offer in shop.offers]
    affordable = shop.affordable()
    if affordable:
        blocks += [divider(), section(texts.say("You can have these now:"))]
    for listing, at in affordable[:MAX_ITEMS]:
        value = selection_value(Selection(listing.key, at.value.amount_minor))
        redeem = button(texts.say("Redeem"), SELECT, value=value)
        blocks.append(section(joined(" · ", [bold(listing.name), *priced(at, texts)]), accessory=redeem))
    blocks += list(_what_else(shop, len(affordable), texts))
    return message(summary, blocks)


def offer_block(offer: Offer, time_zone: str, texts: Texts) -> Block:
    """A reward that waits, with the button that chooses."""
    told: list[str] = [texts.say("{reward} is waiting for you.", reward=bold(offer.title))]
    if offer.expires_at is not None:
        told.append(texts.say("Choose by {when}.", when=texts.instant(offer.expires_at, time_zone)))
    if offer.price_points:
        told.append(texts.say("It costs {points}.", points=texts.points(offer.price_points)))
    return section(
        joined(" ", told), accessory=button(texts.say("Choose"), CHOOSE, value=offer.reward_id, style="primary")
    )


def _what_else(shop: Shop, affordable: int, texts: Texts) -> Iterable[Block]:
    if not shop.listings:
        yield section(texts.say("Nothing is offered in your country yet. Your administrator can change that."))
        return
    if (least := shop.next_price()) is not None:
        yield section(
            texts.say("You lack {points} for the first thing in the catalog.", points=texts.points(least - shop.points))
        )
    if affordable > MAX_ITEMS:
        yield context(texts.say("and {n} more", n=affordable - MAX_ITEMS))
    yield actions(button(texts.say("See everything"), OPEN))
