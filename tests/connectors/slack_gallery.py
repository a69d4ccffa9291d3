"""Everything that the app says and shows in Slack, in a sandbox's workspace, to be looked at.

`python -m tests.connectors.slack_gallery DIRECTORY` saves pictures of what is ordinary, in every language and width.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from connectors.slack import answers, cards, forms, guide, home, nominations, preferences, redeem, thanks
from connectors.slack.blocks import View
from connectors.slack.markup import person
from connectors.slack.texts import Texts
from domain import asks
from domain.cards import Card, Plain
from domain.commands import Refused
from domain.configuration import POINTS
from domain.homes import Proposed
from domain.nominations import MAX_REASON, NominationCategory, NominationState, Refusal
from domain.preferences import Wishes
from domain.sentences import Amount, sentence
from domain.slack_users import Apart
from sandbox.slack.company import TEAM_ID, identifier
from sandbox.slack.driver import Driver
from tests.browser import running_browser
from tests.connectors import slack_answers, slack_homes, test_slack_cards, test_slack_forms, test_slack_redeem
from tests.connectors.test_slack_redeem import steps
from tests.slack import running_slack

LOCALES = ("en-US", "de-DE", "fr-FR")
WIDTHS = (390, 1280)
ANSWERED = "answered"  # a channel where only who asked reads what is said
MAYA, OWEN, GRACE = (identifier("U", TEAM_ID, name) for name in ("Maya", "Owen", "Grace"))

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Room:
    """What is shown together: messages by the channel that they are in, and what is on somebody's screen."""

    channels: Mapping[str, Sequence[Message]]
    homes: Mapping[str, View]
    modals: Mapping[str, View] = field(default_factory=dict)


# -- What there is -------------------------------------------------------------------------------------------------


def ordinary(texts: Texts) -> Room:
    """One of each, as it mostly is."""
    return Room(
        {
            "told": [cards.render(card, texts) for card in [*_notices(), *test_slack_cards.EVERY]],
            ANSWERED: [answers.render(answer, texts) for answer in slack_answers.ordinary()],
            "said": _said(texts),
        },
        {
            "new": home.render(slack_homes.new(), texts),
            "ordinary": home.render(slack_homes.ordinary(), texts),
            **{why: home.render_apart(why, texts) for why in Apart},
        },
        _on_screens([*_forms(texts), *_redeeming(texts)]),
    )


def longest(texts: Texts) -> Room:
    """As much as there can be of everything."""
    return Room(
        {
            "told": test_slack_cards.longest(texts),
            ANSWERED: [answers.render(answer, texts) for answer in slack_answers.longest()],
            "said": [*test_slack_forms.messages(texts), _unbroken(texts)],
        },
        {"largest": home.render(slack_homes.largest(), texts)},
        _on_screens([*test_slack_forms.views(texts).values(), *steps(test_slack_redeem.huge(), texts, ["item-7"])]),
    )


def _unbroken(texts: Texts) -> Message:
    """What has no place to break a line at: people paste addresses."""
    return thanks.announcement(person(MAYA), [person(OWEN)], 10, None, f"https://wiki.example/{'x' * 200}", texts)


def _notices() -> list[Card]:
    """What people are told in sentences, as those who tell them say it."""
    points = Amount(100, POINTS)
    what = sentence("{amount} for {value}", amount=Amount(10, slack_answers.HEARTS), value="teamwork")
    thanked = sentence("{what}: {reason}", what=what, reason="You stayed until the demo worked")
    lapsing = sentence("{amount} expire on {day}. Use them before.", amount=points, day=slack_answers.AT.date())
    return [
        Plain(sentence("{name} thanked you", name="Ben Berg"), thanked, "evt_1"),
        Plain(sentence("{amount} will expire", amount=points), lapsing),
        Plain(
            sentence("You are {level}", level="Gold"), sentence("You have reached {level}. Well done.", level="Gold")
        ),
    ]


def _said(texts: Texts) -> list[Message]:
    """What thanks and nominations are answered, and what cannot be done."""
    reason = "for the demo, which saved the deal"
    short = Refused("allowance_short", "", numbers={"available": 3, "needed": 10})
    refused = [thanks.refusal(short, texts), forms.decision_fault(Refusal.NOT_PENDING, texts)]
    told = [*(answers.apart(why, texts) for why in Apart), *refused]
    pending = Proposed("nom_1", "Team player", 100, "Ben Berg")
    ended = Proposed("nom_1", "Team player", 100, "Ben Berg", NominationState.DECLINED)
    return [
        thanks.announcement(person(MAYA), [person(OWEN), person(GRACE)], 10, "teamwork", reason, texts),
        thanks.taken_back(texts),
        *(thanks.given(some, 10, texts) for some in ([OWEN], [OWEN, GRACE])),
        thanks.lacking(texts),
        *(nominations.render(one, texts) for one in (pending, ended)),
        *({"text": one} for one in told),
        guide.unknown_answer(asks.Unknown("dance", None), texts),
    ]


def _forms(texts: Texts) -> list[View]:
    spirit = NominationCategory("spirit", 1, "Team spirit", levels=(), description="Who helps others", min_reason=20)
    growth = NominationCategory("growth", 1, "Growth", levels=(), min_reason=20)
    return [
        forms.skeleton(forms.nomination_title(texts), texts),
        forms.excuse(forms.thanks_title(texts), answers.apart(Apart.UNKNOWN, texts), texts),
        forms.nomination([spirit, growth], texts),
        forms.change_of_amount(test_slack_forms.NOMINATION, 500, texts),
        forms.decline(test_slack_forms.NOMINATION, texts),
        forms.thanks(["Teamwork", "Craft"], texts, least_reason=10, receivers=[MAYA]),
        cards.words_form("ntf_1", None, texts, most=MAX_REASON),
        preferences.form(Wishes(), Wishes(), texts),
    ]


def _redeeming(texts: Texts) -> list[View]:
    shop, poor = slack_answers.shop(), slack_answers.shop(0)
    outcomes = [redeem.outcome_view(outcome, texts) for outcome in test_slack_redeem.OUTCOMES]
    return [*steps(shop, texts, ["coffee", "grocer"]), *steps(poor, texts, ["coffee"]), *outcomes]


def _on_screens(views: Sequence[View]) -> dict[str, View]:
    return {f"somebody{n}": view for n, view in enumerate(views)}


# -- Hanging it ----------------------------------------------------------------------------------------------------


async def hang(room: Room, slack: Driver) -> None:
    """Say and show it in the sandbox, as the app would; raises SlackApiError for what Slack does not take."""
    bot = AsyncWebClient(token=slack.workspace.bot_token, base_url=slack.api_url)
    for channel, messages in room.channels.items():
        place = slack.create(channel)
        await slack.invite(place)
        await slack.invite(place, MAYA)
        say = partial(bot.chat_postEphemeral, user=MAYA) if channel == ANSWERED else bot.chat_postMessage
        for message in messages:
            await say(channel=place, **message)
    for name, view in room.homes.items():
        await bot.views_publish(user_id=await slack.join(name), view=view)
    for name, view in room.modals.items():
        trigger = slack.workspace.trigger(await slack.join(name))
        await bot.views_open(trigger_id=trigger, view=view)


# -- Pictures ------------------------------------------------------------------------------------------------------


async def save(directory: Path) -> None:
    """Each of what is ordinary, in every language at every width: 01-en-US-390.png."""
    async with running_browser() as browser:
        for locale in LOCALES:
            with running_slack() as slack:
                await hang(ordinary(Texts.of(locale)), slack)
                for width in WIDTHS:
                    page = await browser.new_page(viewport={"width": width, "height": 900})
                    await page.goto(slack.base_url)
                    for n, one in enumerate(await page.locator(".card").all(), 1):
                        await one.screenshot(path=directory / f"{n:02}-{locale}-{width}.png")
                    await page.close()


if __name__ == "__main__":
    asyncio.run(save(Path(sys.argv[1])))
