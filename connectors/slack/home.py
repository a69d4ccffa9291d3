"""The Home: what a member has, what waits for them and how they stand, on one page of at most a hundred blocks.

What asks something of the member comes first. It says the same of each thing as the answers to commands do.
"""

from collections.abc import Iterable, Iterator

from connectors.slack import answers, cards, nominations, preferences
from connectors.slack.blocks import Block, Element, View, actions, button, context, divider, header, home, section
from connectors.slack.forms import OPEN_NOMINATION, OPEN_THANKS
from connectors.slack.markup import Markup, bold, clip, joined, lines, name, quote
from connectors.slack.redeem import OPEN
from connectors.slack.texts import Texts, later
from domain.account_statements import Category
from domain.answers import Places, Shop
from domain.configuration import POINTS
from domain.homes import Activity, Approval, Home
from domain.slack_users import Apart
from domain.streaks import StreakState
from domain.time import zone

MAX_OFFERS = 5
MAX_STREAKS = 10
MAX_ABOUT = 100  # characters of what an entry is about
MAX_REASON = 300  # characters that are shown of why somebody was nominated

# A broken one has none.
_SIGNS = {StreakState.ACTIVE: ":fire:", StreakState.AT_RISK: ":warning:", StreakState.PROTECTED: ":snowflake:"}
# What an entry was, when value came and when it went.
_CAME = {
    Category.BONUS: later("Granted"),
    Category.SPENT: later("Refunded"),
    Category.REVERSED: later("Given back"),
    Category.TRANSFERRED: later("Transferred to you"),
    Category.ADJUSTED: later("Corrected"),
    Category.HELD: later("Given back"),
}
_WENT = {
    Category.SPENT: later("Spent"),
    Category.REVERSED: later("Taken back"),
    Category.EXPIRED: later("Lapsed"),
    Category.TRANSFERRED: later("Transferred"),
    Category.ADJUSTED: later("Corrected"),
    Category.HELD: later("Ordered"),
}


def render(shown: Home, texts: Texts) -> View:
    """The page of a member."""
    return home(
        [
            *_greeting(shown, texts),
            *_offers(shown.shop, texts),
            *_approvals(shown, texts),
            *nominations.in_home(shown, texts),
            *_streaks(shown, texts),
            *_challenges(shown, texts),
            *_board(shown, texts),
            *_activity(shown, texts),
            divider(),
            context(texts.say("Type `/laurel why` to see why you have what you have, `/laurel help` for the rest.")),
        ]
    )


def render_apart(why: Apart, texts: Texts) -> View:
    """The page of somebody who takes no part, and what they can do about it."""
    title = texts.say("Welcome to Laurel") if why is Apart.UNKNOWN else "Laurel"
    return home([header(title), section(answers.apart(why, texts))])


# -- What there is -------------------------------------------------------------------------------------------------


def _greeting(shown: Home, texts: Texts) -> Iterator[Block]:
    yield header(texts.say("Hello {name}", name=shown.name))
    if shown.is_new:
        yield section(_welcome(shown, texts))
    has = [one for one in shown.balances.holdings if one.unit.key == POINTS.key]
    points = texts.points(sum(one.balance.available for one in has))
    details = [line for one in has for line in answers.holding_details(one, shown.time_zone, texts)]
    yield section(
        lines([texts.say("You have {points}.", points=bold(points)), *details, *_in_reach(shown.shop, texts)])
    )
    if others := [one for one in shown.balances.holdings if one.unit.key != POINTS.key]:
        yield section(lines(line for one in others for line in answers.holding_lines(one, shown.time_zone, texts)))
    yield actions(*_doings(shown, texts))


def _in_reach(shop: Shop, texts: Texts) -> Iterator[str]:
    """What the points pay for, or what they lack."""
    if affordable := shop.affordable():
        yield texts.count("Your points pay for {n} reward.", "Your points pay for {n} rewards.", len(affordable))
    elif (least := shop.next_price()) is not None:
        yield texts.say("You lack {points} for the first reward.", points=texts.points(least - shop.points))


def _welcome(shown: Home, texts: Texts) -> str:
    if shown.has_recognition:
        return texts.say(
            "What you do at work becomes points here, by rules that your company has set. You have none yet; until "
            "they come, you can thank a colleague: that counts for them."
        )
    return texts.say(
        "What you do at work becomes points here, by rules that your company has set. You have none yet: the first "
        "will show on this page, with the reason why."
    )


def _doings(shown: Home, texts: Texts) -> Iterator[Element]:
    if shown.has_recognition:
        yield button(texts.say("Thank a colleague"), OPEN_THANKS, style="primary")
    if shown.has_nominations:
        yield button(texts.say("Nominate a colleague"), OPEN_NOMINATION)
    if shown.shop.listings or shown.shop.offers:
        yield button(texts.say("See rewards"), OPEN)
    yield button(texts.say("Notifications"), preferences.OPEN)


# -- What waits for the member -------------------------------------------------------------------------------------


def _offers(shop: Shop, texts: Texts) -> Iterator[Block]:
    if shop.offers:
        yield header(texts.say("You unlocked a reward"))
        yield from (answers.offer_block(one, shop.time_zone, texts) for one in shop.offers[:MAX_OFFERS])
    if more := len(shop.offers[MAX_OFFERS:]):
        yield context(texts.say("and {n} more", n=more))


def _approvals(shown: Home, texts: Texts) -> Iterator[Block]:
    if shown.approvals:
        yield header(texts.say("Waiting for your decision"))
    for one in shown.approvals:
        yield section(_approval(one, texts))
        yield cards.decisions(one.nomination_id, texts)
    if shown.more_approvals:
        yield context(texts.say("More wait behind these."))


def _approval(one: Approval, texts: Texts) -> Markup:
    asked = texts.say(
        "{nominator} nominates {nominee} for {category}: {points}.",
        nominator=name(one.nominator),
        nominee=bold(name(one.nominee)),
        category=bold(one.category),
        points=texts.points(one.amount),
    )
    return lines([asked, quote(clip(one.reason, MAX_REASON))])


# -- How the member stands -----------------------------------------------------------------------------------------


def _streaks(shown: Home, texts: Texts) -> Iterator[Block]:
    standings = shown.streaks.standings[:MAX_STREAKS]
    if standings:
        yield header(texts.say("Your streaks"))
    for one in standings:
        told = lines(answers.streak_lines(one, shown.time_zone, texts))
        yield section(joined(" ", filter(None, [_SIGNS.get(one.state), told])))


def _challenges(shown: Home, texts: Texts) -> Iterator[Block]:
    yield header(texts.say("Challenges"))
    for one in shown.challenges.progress:
        yield from answers.challenge_blocks(one, shown.time_zone, texts)
    if shown.challenges.more:
        yield context(texts.say("and {n} more", n=shown.challenges.more))
    if not shown.challenges.progress:
        yield section(texts.say("No challenge is open for you just now."))


def _board(shown: Home, texts: Texts) -> Iterable[Block]:
    yield header(texts.say("Where you stand"))
    if isinstance(shown.board, Places):
        yield from answers.place_blocks(shown.board, texts)
    else:
        yield section(answers.why_unplaced(shown.board.reason, texts))


def _activity(shown: Home, texts: Texts) -> Iterator[Block]:
    yield header(texts.say("Recent activity"))
    if shown.activity:
        yield section(lines(_entry(one, shown.time_zone, texts) for one in shown.activity))
    else:
        yield section(texts.say("Nothing yet. All that you earn and spend will be listed here."))


def _entry(one: Activity, time_zone: str, texts: Texts) -> Markup:
    """+50 · A finished course · Nov 21, 2026."""
    label = (_CAME if one.amount >= 0 else _WENT).get(one.category)
    what = clip(texts.written(one.about), MAX_ABOUT) if one.about else ""
    if label:
        what = texts.say("{what}: {item}", what=texts.say(label), item=what) if what else texts.say(label)
    day = texts.date(one.happened_at.astimezone(zone(time_zone)).date())
    return joined(" · ", filter(None, [bold(texts.change(one.amount)), what, day]))
