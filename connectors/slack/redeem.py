"""The modal in which a member redeems: what there is, then one thing confirmed with an address, then what came of it.

What comes back from Slack names what was chosen and is checked against the shop as it is then. A card's code or link
never comes here: it goes to the address alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

from babel.numbers import format_currency

from connectors.slack.blocks import (
    OPTION,
    OPTIONS,
    Block,
    Element,
    View,
    actions,
    button,
    context,
    email_input,
    grouped_select,
    input,
    modal,
    number_input,
    option,
    section,
    text_input,
)
from connectors.slack.markup import bold, clip, lines
from connectors.slack.texts import Texts, later
from domain.answers import Shop
from domain.catalog import Denomination, Listing, Range
from domain.orders import Refusal
from domain.redemptions import Choice, Outcome, Pick, Placed, Purchase, Refused, Selected, Selection
from domain.vendors import Money, minor_digits

# What a member does, as Slack names it to us.
OPEN = "laurel.rewards.open"  # a button: the whole shop
SELECT = "laurel.rewards.select"  # a button or a list: one thing in one value
CHOOSE = "laurel.offers.open"  # a button: an offer, by its reward's id
SEARCH = "laurel.rewards.search"  # the field that narrows the list
# The two steps, by what is sent with each.
SHOP = "laurel.rewards.choose"
CONFIRM = "laurel.rewards.confirm"

MAX_SEARCH = 100  # characters that are searched for

_AMOUNT, _EMAIL = "amount", "email"
_BETWEEN = "|"

_REFUSED: Mapping[Refusal, str] = {
    Refusal.ITEM_UNAVAILABLE: later("This is sold out or not offered any more. Choose something else."),
    Refusal.INVALID_DENOMINATION: later("This does not come in that value. Choose another value."),
    Refusal.INVALID_RECIPIENT: later("Nothing can be sent to this address. Please write another one."),
    Refusal.COUNTRY_NOT_SUPPORTED: later("This is not offered in your country. Choose something else."),
    Refusal.VENDOR_UNAVAILABLE: later("The shop behind this cannot be reached just now. Try again in an hour."),
    Refusal.LIMIT_REACHED: later("Your company's limit for today or this month is reached. Try again tomorrow."),
    Refusal.MEMBER_NOT_ACTIVE: later("You do not take part any more. Ask your administrator if that is not right."),
    Refusal.REWARD_NOT_OFFERED: later("This offer is over: something was chosen already, or its time has passed."),
}


def title(texts: Texts) -> str:
    """What the windows are called."""
    return texts.say("Redeem points")


# -- What there is -------------------------------------------------------------------------------------------------


def shop_view(shop: Shop, texts: Texts, *, reward_id: str | None = None, search: str = "") -> View:
    """The first step: the whole catalog, narrowed by words, or the items of one offer."""
    every = list(_offered(shop, reward_id, texts) if reward_id else _listed(shop.listings, shop.points, texts))
    found = [one for one in every if _holds(one[0], search)]
    told = texts.say("You have {points}.", points=texts.points(shop.points))
    blocks: list[Block] = [section(bold(told))]
    if len(every) > OPTIONS:
        blocks.append(_search(search, texts))
    if found:
        blocks.append(_list(found, texts))
    else:
        blocks.append(section(texts.say("There is nothing here that you can have.")))
    if len(found) > OPTIONS:
        blocks.append(
            context(texts.say("These are {shown} of {n}. Search for what you miss.", shown=OPTIONS, n=len(found)))
        )
    return modal(
        title(texts),
        blocks,
        callback=SHOP,
        submit=texts.say("Next") if found else None,
        close=texts.say("Close"),
        metadata=reward_id or "",
    )


def _search(search: str, texts: Texts) -> Block:
    field = text_input(SEARCH, initial=search[:MAX_SEARCH] or None, most=MAX_SEARCH)
    return input(texts.say("Search, then press Enter"), field, block_id=SEARCH, optional=True, tell=True)


def _list(found: Sequence[tuple[Listing, Element]], texts: Texts) -> Block:
    by_category = groupby(found, key=lambda one: one[0].category)
    groups = [(name or texts.say("Others"), [shown for _, shown in group]) for name, group in by_category]
    chosen = grouped_select(SELECT, groups, placeholder=texts.say("Choose something"))
    return input(texts.say("What would you like?"), chosen, block_id=SELECT)


def _listed(listings: Iterable[Listing], points: int, texts: Texts) -> Iterator[tuple[Listing, Element]]:
    """A line for each value of each item."""
    for listing in listings:
        for one in listing.denominations:
            cost = ", ".join((texts.points(one.price_points), *_lack(one.price_points, points, texts)))
            yield listing, _option(listing, money(one.value, texts), cost, one.value.amount_minor)
        for span in listing.ranges:
            ends = {"least": money(span.least.value, texts), "most": money(span.most.value, texts)}
            value = texts.say("{least} to {most}", **ends)
            lack = _lack(span.least.price_points, points, texts)
            cost = ", ".join((texts.say("from {points}", points=texts.points(span.least.price_points)), *lack))
            yield listing, _option(listing, value, cost, None)


def _offered(shop: Shop, reward_id: str, texts: Texts) -> Iterator[tuple[Listing, Element]]:
    """A line for each item of the offer, in its one value."""
    for offer in shop.offers:
        if offer.reward_id == reward_id:
            cost = texts.points(offer.price_points) if offer.price_points else texts.say("a gift")
            for listing in offer.items:
                yield listing, _option(listing, money(offer.value, texts), cost, offer.value.amount_minor)


def _option(listing: Listing, value: str, cost: str, minor: int | None) -> Element:
    shown = f"{clip(listing.name, OPTION - len(value) - 3)} · {value}"
    return option(shown, selection_value(Selection(listing.key, minor)), description=cost)


def _lack(price_points: int, points: int, texts: Texts) -> tuple[str, ...]:
    return (texts.say("you lack {n}", n=price_points - points),) if price_points > points else ()


def _holds(listing: Listing, search: str) -> bool:
    """Whether every word that is searched for is in what the item is called."""
    told = f"{listing.name} {listing.category} {listing.description}".casefold()
    return all(word in told for word in search[:MAX_SEARCH].casefold().split())


# -- One thing, confirmed ------------------------------------------------------------------------------------------


def confirm_view(shop: Shop, selected: Selected, texts: Texts, *, is_repriced: bool = False) -> View:
    """The second step: what it is, what it costs and leaves, and where it goes; once more if its price has changed."""
    least = selected.at or (selected.between.least if selected.between else None)
    assert least is not None, "what is selected has a value, or a range of them"
    lack = least.price_points - shop.points
    blocks = [section(bold(_repriced(selected, texts)))] if is_repriced else []
    blocks.append(section(lines(_told(shop, selected, texts))))
    if lack > 0:
        blocks.append(section(texts.say("You lack {points} for this. Nothing was charged.", points=texts.points(lack))))
    else:
        blocks += _asked(shop, selected, texts)
    return modal(
        title(texts),
        blocks,
        callback=CONFIRM,
        submit=None if lack > 0 else texts.say("Order"),
        close=texts.say("Back"),
        metadata=_metadata(selected, least.value.currency),
    )


def _repriced(selected: Selected, texts: Texts) -> str:
    points = texts.points(selected.price_points)
    if selected.between is None:
        return texts.say("The price has just changed: it is {points} now. Nothing was charged.", points=points)
    return texts.say(
        "The price has just changed: it is {points} for each {currency} now. Nothing was charged.",
        points=points,
        currency=selected.listing.currency,
    )


def _told(shop: Shop, selected: Selected, texts: Texts) -> Iterator[str]:
    listing = selected.listing
    if selected.at is None:
        yield bold(listing.name)
    else:
        yield bold(f"{listing.name} · {' · '.join(priced(selected.at, texts))}")
    yield from filter(None, (listing.description, listing.terms))
    if selected.at is not None and 0 < selected.at.price_points <= shop.points:
        left = texts.points(shop.points - selected.at.price_points)
        yield texts.say("You have {points}, and {left} afterwards.", points=texts.points(shop.points), left=left)


def _asked(shop: Shop, selected: Selected, texts: Texts) -> Iterator[Block]:
    if selected.between is not None:
        yield _amount(shop, selected.listing, selected.between, texts)
    yield input(
        texts.say("Send it to this e-mail address"),
        email_input(_EMAIL, initial=shop.recipient_email),
        block_id=_EMAIL,
        hint=texts.say("The card goes there and nowhere else, so look twice."),
    )


def _amount(shop: Shop, listing: Listing, between: Range, texts: Texts) -> Block:
    """A field for what the balance allows of the range."""
    currency, digits = listing.currency, minor_digits(listing.currency)
    paid = shop.points * 10**digits // listing.points_per_unit
    most = Money(max(min(between.most.value.amount_minor, paid), between.least.value.amount_minor), currency)
    field = number_input(_AMOUNT, least=str(between.least.value.amount), most=str(most.amount), decimals=digits > 0)
    rate = texts.points(listing.points_per_unit)
    return input(
        texts.say("How much, in {currency}?", currency=currency),
        field,
        block_id=_AMOUNT,
        hint=texts.say(
            "From {least} to {most}; {points} for each {currency}.",
            least=money(between.least.value, texts),
            most=money(most, texts),
            points=rate,
            currency=currency,
        ),
    )


# -- What came of it -----------------------------------------------------------------------------------------------


def outcome_view(outcome: Outcome, texts: Texts) -> View:
    """The last step: what happened, and what to do next."""
    return modal(
        title(texts),
        [section(told(outcome, texts)), *_next(outcome, texts)],
        callback=CONFIRM,
        close=texts.say("Close"),
    )


def mistakes(outcome: Outcome, texts: Texts) -> dict[str, str]:
    """What the member can put right where it was typed, by the block; nothing for any other outcome."""
    if isinstance(outcome, Refused) and outcome.refusal is Refusal.INVALID_RECIPIENT:
        return {_EMAIL: texts.say(_REFUSED[outcome.refusal])}
    return {}


def told(outcome: Outcome, texts: Texts) -> str:
    """The outcome in words."""
    match outcome:
        case Placed(order):
            what, email = bold(order.item_name), order.recipient_email
            said = [
                texts.say(
                    "Ordered: {what}, {value}, for {email}.", what=what, value=money(order.value, texts), email=email
                )
            ]
            if order.price_points:
                said.append(texts.say("{points} are set aside for it.", points=texts.points(order.price_points)))
            said.append(
                texts.say("Somebody has to approve it first. You will hear from us.")
                if outcome.needs_a_person
                else texts.say("You will hear from us when it is on its way.")
            )
            return lines(said)
        case Refused(Refusal.INSUFFICIENT_POINTS, missing):
            return texts.say("You lack {points} for this. Nothing was charged.", points=texts.points(missing))
        case Refused(refusal):
            return lines([texts.say(_REFUSED[refusal]), texts.say("Nothing was charged.")])


def _next(outcome: Outcome, texts: Texts) -> Iterator[Block]:
    if not isinstance(outcome, Placed):
        yield actions(button(texts.say("See everything"), OPEN))


# -- Words ---------------------------------------------------------------------------------------------------------


def priced(at: Denomination, texts: Texts) -> list[str]:
    """A value and its price."""
    return [money(at.value, texts), texts.points(at.price_points) if at.price_points else texts.say("a gift")]


def money(value: Money, texts: Texts) -> str:
    """$25.00, or 25,00 €."""
    return format_currency(value.amount, value.currency, locale=texts.locale)


# -- What comes back -----------------------------------------------------------------------------------------------


def selection_value(selection: Selection) -> str:
    """A selection as a button or a list carries it."""
    return f"{selection.item}{_BETWEEN}{'' if selection.minor is None else selection.minor}"


def read_selection(value: str, reward_id: str | None = None) -> Selection:
    """The selection that a button or a list carried."""
    item, _, minor = value.partition(_BETWEEN)
    return Selection(item, _minor(minor), reward_id or None)


def read_step(view: Mapping[str, Any]) -> Selection | None:
    """What was selected in the first step."""
    picked = _field(view, SELECT, SELECT).get("selected_option")
    return read_selection(picked["value"], view.get("private_metadata")) if picked else None


def read_confirmed(view: Mapping[str, Any]) -> tuple[Selection, int]:
    """What was to be confirmed in the second step, and the price that it said."""
    item, minor, _, reward_id, seen = view["private_metadata"].split(_BETWEEN)
    return Selection(item, _minor(minor), reward_id or None), int(seen)


def read_choice(view: Mapping[str, Any], texts: Texts) -> Choice | dict[str, str]:
    """What was confirmed in the second step, or what is wrong with it by the block."""
    item, minor, currency, reward_id, _ = view["private_metadata"].split(_BETWEEN)
    email = str(_field(view, _EMAIL, _EMAIL).get("value") or "")
    if reward_id:
        return Pick(reward_id, item, email)
    if minor:
        return Purchase(item, Money(int(minor), currency), email)
    try:
        typed = Decimal(str(_field(view, _AMOUNT, _AMOUNT).get("value") or ""))
        return Purchase(item, Money.of(typed, currency), email)
    except (InvalidOperation, ValueError):
        return {_AMOUNT: texts.say("This is no amount. Write it like this: 12.50")}


def _metadata(selected: Selected, currency: str) -> str:
    item, minor, reward_id = selected.selection.item, selected.selection.minor, selected.selection.reward_id
    shown = "" if minor is None else str(minor)
    return _BETWEEN.join((item, shown, currency, reward_id or "", str(selected.price_points)))


def _field(view: Mapping[str, Any], block_id: str, action: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = view.get("state", {}).get("values", {}).get(block_id, {}).get(action, {})
    return found


def _minor(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
