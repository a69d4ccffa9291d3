"""Whole stories that never leave Slack: what people do there becomes points and cards, and is done once."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client

from connectors.slack import cards, forms, redeem
from domain.orders import OrderState
from settings import Settings
from tests.workplace import Workplace, open_workplace

REASON = "She kept the migration going all through the weekend."
A_DAY = timedelta(hours=24)


@pytest.fixture
async def workplace(settings: Settings, temporal_client: Client, redis: object) -> AsyncIterator[Workplace]:
    """Nobody has done anything yet."""
    async with open_workplace(settings, temporal_client) as workplace:
        yield workplace


async def test_a_nomination_becomes_a_gift_card_although_the_manager_is_away(workplace: Workplace) -> None:
    slack = workplace.slack
    slack.workspace.user("maya").locale = "de-DE"
    await workplace.send_away("ruth", 30)
    async with workplace.at_work():
        await slack.shortcut("owen", forms.OPEN_NOMINATION)
        await workplace.until_shown("owen", forms.NOMINATE)
        await slack.submit("owen", {"nominee": slack.workspace.user("maya").id, "reason": REASON})
        await workplace.until_told("owen")
        # Maya's manager is away, so hers decides, who is slow and has never used the app.
        await workplace.until_told("helen")
        await workplace.pass_time(A_DAY)
        card = await workplace.until_told("helen", 2)
        await slack.press("helen", "app", card["ts"], cards.APPROVE)

        offer = await workplace.until_button("maya", redeem.CHOOSE)
        await slack.press("maya", "app", offer["ts"], redeem.CHOOSE)
        await workplace.until_shown("maya", redeem.SHOP)
        await slack.submit("maya", {redeem.SELECT: "coffee|2500"})
        await slack.submit("maya", {"email": "maya@home.example"})
        await workplace.deliver(await workplace.orders())
        await workplace.until_quiet()

    [order] = await workplace.orders()
    assert order.state is OrderState.DELIVERED
    assert workplace.told("owen") == [
        "Your nomination of *maya* for *Teamwork*",
        "Your nomination of maya was approved",
    ]
    assert workplace.told("ruth") == []
    asked = "owen nominates maya for *Teamwork*."
    assert workplace.told("helen") == [asked, asked, "Thank you: approved."]
    assert [str(one["blocks"]).count(cards.APPROVE) for one in workplace.messages("helen")[:2]] == [0, 0]
    *news, arrived = workplace.told("maya")
    assert sorted(news) == ["Du hast eine Prämie freigeschaltet: *A card*", "owen hat dich vorgeschlagen: Teamwork"]
    assert arrived.endswith("“ ist da")
    [email] = workplace.vendor.emails()
    assert email["token"] not in str(slack.workspace.records)


async def test_one_envelope_five_times_across_a_restart_is_one_gift(workplace: Workplace) -> None:
    slack = workplace.slack
    async with workplace.at_work():
        ts = await slack.say("maya", "general", "The demo works again.")
        await slack.react("owen", "general", ts, "laurel")
        await slack.send_again(reason="http_timeout")
    async with workplace.at_work():
        for _ in range(3):
            await slack.send_again(reason="http_timeout")
        await workplace.until_quiet()

    assert (await workplace.has("maya"), await workplace.has("owen", "kudos")) == (5, 95)
    assert len(workplace.told("maya")) == 1
