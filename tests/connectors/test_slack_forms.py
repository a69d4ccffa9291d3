"""Forms and thanks: Slack takes each of them in every language, with the longest texts and the longest lists."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.slack import blocks, cards, forms, thanks
from connectors.slack.blocks import View
from connectors.slack.markup import person
from connectors.slack.texts import TRANSLATED, Texts
from domain.checks import MAX_KEY, MAX_LIST, MAX_TEXT, MAX_TITLE
from domain.commands import Refused
from domain.derived import MAX_THANKS
from domain.nominations import MAX_AMOUNT, MAX_REASON, Nomination, NominationCategory, NominationState, Refusal
from relay.slack.people import PEOPLE_MAX
from tests.connectors.slack_judge import judge_blocks, judge_view
from tests.programs import NOW

LANGUAGES = ("en-US", *TRANSLATED)
ENGLISH = Texts.of("en-US")
TEAM = [f"U{n:010}" for n in range(PEOPLE_MAX)]
NUMBERS = dict.fromkeys(("limit", "receivers", "least", "characters", "available", "needed"), MAX_AMOUNT)
REFUSED = (
    "allowance_short",
    "amount_out_of_range",
    "member_inactive",
    "member_not_found",
    "nobody_thanked",
    "pair_limit_reached",
    "reason_too_long",
    "reason_too_short",
    "recognition_not_configured",
    "self_recognition",
    "too_many_receivers",
    "value_not_declared",
)


def long(characters: int) -> str:
    return ("<!channel> & *Ada* " * characters)[:characters]


def category(n: int, **changes: Any) -> NominationCategory:
    told = {"title": long(MAX_TITLE), "description": long(MAX_TEXT), "min_reason": MAX_REASON, **changes}
    return NominationCategory(f"{n:0{MAX_KEY}}", 1, levels=(), **told)


NOMINATION = Nomination(
    id="nom_1",
    program_id="prg_1",
    nominator_id="mem_1",
    nominee_id="mem_2",
    category="0",
    configuration=1,
    reason=long(MAX_REASON),
    evidence=None,
    proposed_amount=MAX_AMOUNT,
    amount=MAX_AMOUNT,
    state=NominationState.PENDING,
    level=1,
    level_since=NOW,
    asked_at=NOW,
    reminded_at=None,
    escalated_at=None,
    event_id=None,
    closing=None,
    created_at=NOW,
    updated_at=NOW,
)


def views(texts: Texts) -> dict[str, View]:
    """Every form, as long as it can be; by what it is."""
    declared = [f"{n:03}{long(MAX_TITLE - 3)}" for n in range(MAX_LIST)]
    return {
        "skeleton": forms.skeleton(long(MAX_TITLE), texts),
        "excuse": forms.excuse(long(MAX_TITLE), long(MAX_TEXT), texts),
        "nomination": forms.nomination([category(n) for n in range(MAX_LIST)], texts, TEAM[0]),
        "nomination in one": forms.nomination([category(0, title="", description="", min_reason=1)], texts),
        "change": forms.change_of_amount(NOMINATION, MAX_AMOUNT, texts),
        "decline": forms.decline(NOMINATION, texts),
        "thanks": forms.thanks(declared, texts, least_reason=MAX_REASON, receivers=TEAM[:20], channel="C" * 20),
        "thanks for anything": forms.thanks([], texts, least_reason=0),
        "words": cards.words_form("ntf_1", long(500), texts, most=500),
    }


def messages(texts: Texts) -> list[Mapping[str, Any]]:
    """All that is said about thanks, as long as it can be."""
    everybody = [person(one) for one in TEAM]
    return [
        thanks.announcement(everybody[0], everybody, MAX_THANKS, long(MAX_TITLE), long(MAX_REASON), texts),
        thanks.announcement(everybody[0], everybody[:1], 1, None, "", texts),
        thanks.taken_back(texts),
        thanks.given(TEAM, MAX_THANKS, texts),
        thanks.lacking(texts),
    ]


def fields(view: View) -> set[str]:
    return {block["block_id"] for block in view["blocks"] if block["type"] == "input"}


@pytest.mark.parametrize("locale", LANGUAGES)
def test_slack_takes_every_form_and_all_that_is_said_about_thanks(locale: str) -> None:
    for view in views(Texts.of(locale)).values():
        judge_view(view)
    for message in messages(Texts.of(locale)):
        judge_blocks(message["blocks"])
        assert 0 < len(message["text"]) <= blocks.FALLBACK


def test_what_people_typed_mentions_nobody() -> None:
    """Slack reads mentions in markup; plain text it shows as it is."""
    said = json.dumps(messages(ENGLISH))

    assert "<@U0000000000>" in said
    assert "<!channel>" not in said


@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_is_wrong_is_said_beside_a_field_that_the_form_has(locale: str) -> None:
    texts = Texts.of(locale)
    shown = views(texts)
    faults = [forms.nomination_fault(code, category(0), texts) for code in Refusal]
    faults.append(forms.nomination_fault(Refusal.INVALID_NOMINATION, None, texts, evidence="the wiki"))

    assert {field for field, _ in faults} <= fields(shown["nomination"])
    assert {thanks.field_of(code) for code in REFUSED} <= fields(shown["thanks"])
    assert all(told for _, told in faults)
    assert all(forms.decision_fault(code, texts) for code in Refusal)


def test_each_refusal_of_thanks_has_words_of_its_own() -> None:
    told = {thanks.refusal(Refused(code, "", numbers=NUMBERS), ENGLISH) for code in REFUSED}

    assert len(told) == len(REFUSED)
    assert thanks.refusal(Refused("another", ""), ENGLISH) not in told
