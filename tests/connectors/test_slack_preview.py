"""All that the app says and shows can be read on the sandbox's page: on a phone, on a desk, and in the dark."""

from collections.abc import Callable

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from connectors.slack.forms import THANK_AUTHOR
from connectors.slack.texts import Texts
from sandbox.slack import blocks, rendering
from tests.browser import in_a_browser
from tests.connectors.slack_gallery import WIDTHS, Room, hang, longest, ordinary
from tests.connectors.test_slack_names import names
from tests.slack import running_slack

PHONE = WIDTHS[0]
# Words that stick out of the screen or of what holds them, and words on top of others. Lines may touch by what letters
# leave free above and below.
FAULTS = """() => {
    const free = 3;
    const lines = [];
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = words.nextNode()); ) {
        if (!node.textContent.trim() || !node.parentElement.checkVisibility({ contentVisibilityAuto: true })) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const { left, right, top, bottom } of range.getClientRects())
            lines.push({ left, right, top: top + free, bottom: bottom - free, says: node.textContent.slice(0, 60) });
    }
    lines.sort((one, other) => one.top - other.top);
    const overlaps = (one, other) => other.left < one.right - 1 && one.left < other.right - 1;
    const covered = lines.flatMap((upper, n) => {
        const below = [];
        for (let at = n + 1; at < lines.length && lines[at].top < upper.bottom; at++)
            if (overlaps(upper, lines[at])) below.push(`"${lines[at].says}" is on "${upper.says}"`);
        return below;
    });
    const beyond = lines.filter((one) => one.left < 0 || one.right > window.innerWidth).map((one) => one.says);
    const wide = [...document.querySelectorAll("body *")]
        .filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.outerHTML.slice(0, 80));
    return [...covered, ...beyond, ...wide].slice(0, 20);
}"""


def test_the_page_shows_every_kind_of_block_that_slack_takes() -> None:
    elements = {*blocks.ACTIONS, *blocks.INPUTS, "image", "plain_text", "mrkdwn"}

    assert blocks.BLOCKS.keys() == rendering.BLOCKS.keys()
    assert elements == rendering.ELEMENTS.keys()


def test_whatever_members_can_press_choose_or_send_is_among_what_is_looked_at() -> None:
    shown = [repr(room(Texts.of("en-US"))) for room in (ordinary, longest)]

    assert [name for name in names() - {THANK_AUTHOR} if not any(f"'{name}'" in one for one in shown)] == []


@in_a_browser
@pytest.mark.parametrize(
    ("room", "locale"), [(ordinary, "en-US"), (ordinary, "de-DE"), (ordinary, "fr-FR"), (longest, "de-DE")]
)
async def test_no_words_stick_out_or_cover_others(room: Callable[[Texts], Room], locale: str, page: Page) -> None:
    with running_slack() as slack:
        await hang(room(Texts.of(locale)), slack)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            await page.goto(slack.base_url)

            assert await page.evaluate(FAULTS) == []


@in_a_browser
async def test_everybody_can_read_it_also_in_the_dark(page: Page) -> None:
    with running_slack() as slack:
        await hang(ordinary(Texts.of("en-US")), slack)
        await page.set_viewport_size({"width": PHONE, "height": 800})
        await page.goto(slack.base_url)
        found = await Axe().run(page)
        await page.emulate_media(color_scheme="dark")
        in_the_dark = await Axe().run(page, options={"runOnly": ["color-contrast"]})

    assert [one["id"] for one in found.response["violations"] + in_the_dark.response["violations"]] == []
