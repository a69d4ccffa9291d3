"""Slack takes every block that the builders make, however long the texts and the lists are."""

import pytest

from connectors.slack import blocks
from connectors.slack.markup import Markup, person
from tests.connectors.slack_judge import judge_blocks, judge_view

MANY = 120
TEXTS = pytest.mark.parametrize(
    "text",
    ["", " ", "A word", "x" * 5_000, "<&>" * 2_000, Markup(person("U0123456789") * 500), "x\n" * 2_000, "\U0001f32e"],
    ids=["none", "space", "word", "long", "escaped", "mentions", "lines", "emoji"],
)


@TEXTS
def test_whatever_is_put_in_slack_takes_what_comes_out(text):
    pressed = blocks.button(text, "laurel.any.press", value="rwd_1", style="primary")
    options = _options(text)
    made = [
        blocks.header(text),
        blocks.section(text, accessory=pressed, block_id="one"),
        blocks.context(*[text] * MANY),
        blocks.divider(),
        blocks.actions(*[blocks.button(text, "laurel.any.open")] * MANY, block_id="two"),
        blocks.actions(
            blocks.select("laurel.one", options, placeholder=text, initial=options[0]),
            blocks.user_select("laurel.who", placeholder=text, initial="U1"),
            blocks.multi_user_select("laurel.all", placeholder=text, initial=["U1"], most=5),
        ),
    ]

    judge_blocks(blocks.message(text, made)["blocks"])
    judge_view(blocks.home(made))


def test_messages_and_views_hold_as_many_blocks_as_slack_takes():
    made = [blocks.divider()] * MANY

    judge_blocks(blocks.message("said", made)["blocks"])
    judge_view(blocks.home(made))


@TEXTS
def test_slack_takes_a_modal_of_questions(text):
    options = _options(text)
    asked = [
        blocks.text_input("laurel.text", placeholder=text, initial="so far", multiline=True, least=10),
        blocks.select("laurel.values", options, placeholder=text),
        blocks.checkboxes("laurel.ticks", options, initial=options[:1]),
        blocks.multi_user_select("laurel.people", placeholder=text),
    ]
    inputs = [
        blocks.input(text, one, block_id=f"b{n}", hint=text, optional=True, tell=True) for n, one in enumerate(asked)
    ]

    judge_view(blocks.modal(text, inputs, callback="laurel.any.ask", submit=text, close=text, metadata="x" * 3_000))


def test_ids_that_are_too_long_are_our_mistake_and_not_cut():
    with pytest.raises(ValueError, match="2001 characters where Slack takes 2000"):
        blocks.button("Redeem", "laurel.reward.redeem", value="x" * 2_001)


def _options(text: str) -> list[blocks.Element]:
    return [blocks.option(text, str(n), description=text) for n in range(MANY)]
