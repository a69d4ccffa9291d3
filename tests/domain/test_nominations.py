"""Nominations, on paper: what is taken, who decides, and when a level has decided."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.definition_checks import check_definitions
from domain.definitions import read_definitions
from domain.nominations import (
    MAX_EVIDENCE,
    NOMINATION_ARROWS,
    NOMINATION_ENDED,
    Because,
    Candidate,
    Chain,
    Decision,
    IllegalNomination,
    Level,
    Needs,
    Nomination,
    NominationCategory,
    NominationEvent,
    NominationRefused,
    NominationState,
    Proposal,
    Refusal,
    Ruling,
    Verdict,
    accept,
    agreed,
    check_ruling,
    due,
    is_link,
    nomination_after,
    stand_in,
    weigh,
)
from domain.shapes import Fault

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
MANAGER = Level(approver=Chain.MANAGER)
CATEGORY = NominationCategory(
    "beyond", 1, "Beyond", (MANAGER, replace(MANAGER, from_amount=500)), default_amount=100, max_amount=1_000
)
SAID = Proposal("mem_1", "mem_2", "beyond", "She stayed until the migration was done.")


# -- States --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", NominationState)
@pytest.mark.parametrize("event", NominationEvent)
def test_a_nomination_moves_along_its_arrows_only(state: NominationState, event: NominationEvent) -> None:
    if (state, event) in NOMINATION_ARROWS:
        assert nomination_after(state, event) is NOMINATION_ARROWS[state, event]
    else:
        with pytest.raises(IllegalNomination):
            nomination_after(state, event)


def test_what_has_ended_stays() -> None:
    assert not {state for state, _ in NOMINATION_ARROWS} & NOMINATION_ENDED


@pytest.mark.parametrize(
    ("number", "amount", "after"), [(0, 0, 1), (0, 1_000, 1), (1, 499, None), (1, 500, 2), (2, 1_000, None)]
)
def test_levels_decide_from_their_amount_on(number: int, amount: int, after: int | None) -> None:
    assert CATEGORY.level_after(number, amount) == after


def test_what_was_done_on_a_level_is_not_due_again() -> None:
    nomination = Nomination(
        "nom_1", "prg_1", "mem_1", "mem_2", "beyond", 1, "because", None, 100, 100, NominationState.PENDING, 1, AT,
        None, None, None, None, None, AT, AT,
    )  # fmt: skip
    level = replace(MANAGER, remind_hours=24, escalate_hours=0, expire_hours=72)

    assert due(nomination, level) == (AT + timedelta(hours=24), None, AT + timedelta(hours=72))
    assert due(replace(nomination, reminded_at=AT), level).remind_at is None


# -- What is taken -------------------------------------------------------------------------------------------------


def test_without_an_amount_it_is_the_categorys() -> None:
    assert accept(CATEGORY, SAID) == 100
    assert accept(CATEGORY, replace(SAID, amount=1_000, evidence="https://wiki.example.com/page?id=7#done")) == 1_000


@pytest.mark.parametrize(
    ("category", "change", "code"),
    [
        (None, {}, Refusal.UNKNOWN_CATEGORY),
        (CATEGORY, {"reason": "   She is nice.    "}, Refusal.INVALID_NOMINATION),
        (CATEGORY, {"reason": "x" * 2_001}, Refusal.INVALID_NOMINATION),
        (CATEGORY, {"evidence": "http://wiki.example.com"}, Refusal.INVALID_NOMINATION),
        (CATEGORY, {"amount": 1_001}, Refusal.AMOUNT_ABOVE_MAXIMUM),
        (CATEGORY, {"amount": -1}, Refusal.AMOUNT_ABOVE_MAXIMUM),
    ],
)
def test_what_is_not_taken_says_why(category: NominationCategory | None, change: dict[str, Any], code: Refusal) -> None:
    with pytest.raises(NominationRefused) as refused:
        accept(category, replace(SAID, **change))

    assert refused.value.code is code


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://example.com@evil.example",
        "https://example.com/a b",
        "https://example.com/<script>",
        "https://example.com/|text",
        "https://[broken",
        "https://example.com/\u202e",
        "https://example.com/" + "a" * MAX_EVIDENCE,
    ],
)
def test_evidence_is_a_link_that_shows_where_it_leads(text: str) -> None:
    assert not is_link(text)


def test_who_declines_says_why_and_who_approves_stays_within_the_maximum() -> None:
    for ruling in (
        Ruling(Verdict.DECLINED, "mem_3", "mem_3", comment="  "),
        Ruling(Verdict.APPROVED, "mem_3", "mem_3", amount=1_001),
        Ruling(Verdict.APPROVED, "mem_3", "mem_3", comment="x" * 2_001),
    ):
        with pytest.raises(NominationRefused):
            check_ruling(CATEGORY, ruling)
    check_ruling(CATEGORY, Ruling(Verdict.APPROVED, "mem_3", "mem_3", amount=1_000))


# -- Who decides ---------------------------------------------------------------------------------------------------


def test_the_nearest_manager_who_can_decide_stands_in() -> None:
    away, left, party = (
        Candidate("mem_1", is_away=True),
        Candidate("mem_2", has_left=True),
        Candidate("mem_3", is_party=True),
    )

    assert stand_in([away, left, party, Candidate("mem_4"), Candidate("mem_5")], {"mem_4"}) == "mem_5"
    assert stand_in([away, left, party], ()) is None
    assert [one.hindrance for one in (away, left, party)] == [Because.ABSENCE, Because.CONFLICT, Because.CONFLICT]


def test_who_has_a_part_in_it_is_in_conflict_even_when_away() -> None:
    assert Candidate("mem_1", is_party=True, is_away=True).hindrance is Because.CONFLICT


# -- What is decided -----------------------------------------------------------------------------------------------


def decisions(text: str) -> list[Decision]:
    """One for each letter: y approves, n declines; capital letters are an administrator's."""
    verdicts = {"y": Verdict.APPROVED, "n": Verdict.DECLINED}
    return [
        Decision(
            n, 1, None if letter.isupper() else f"mem_{n}", None, "who", verdicts[letter.lower()],
            100 * n if letter in "yY" else None, "", AT,
        )
        for n, letter in enumerate(text, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("needs", "quorum", "of", "made", "verdict"),
    [
        (Needs.ONE_OF, None, 3, "", None),
        (Needs.ONE_OF, None, 3, "y", Verdict.APPROVED),
        (Needs.ONE_OF, None, 3, "n", Verdict.DECLINED),
        (Needs.ALL, None, 3, "yy", None),
        (Needs.ALL, None, 3, "yyy", Verdict.APPROVED),
        (Needs.ALL, None, 3, "yn", Verdict.DECLINED),
        (Needs.ALL, None, 0, "", None),
        (Needs.QUORUM, 2, 3, "yn", None),
        (Needs.QUORUM, 2, 3, "yny", Verdict.APPROVED),
        (Needs.QUORUM, 2, 3, "nn", Verdict.DECLINED),
        # Too few are named: administrators decide.
        (Needs.QUORUM, 3, 2, "yy", None),
        (Needs.QUORUM, 3, 2, "yyY", Verdict.APPROVED),
        (Needs.ALL, None, 3, "yN", Verdict.DECLINED),
    ],
)
def test_a_level_decides_as_its_category_says(
    needs: Needs, quorum: int | None, of: int, made: str, verdict: Verdict | None
) -> None:
    assert weigh(replace(MANAGER, needs=needs, quorum=quorum), of, decisions(made)) is verdict


@pytest.mark.parametrize(("made", "amount"), [("y", 100), ("nyy", 200), ("yyY", 300)])
def test_the_least_that_was_approved_is_given_unless_an_administrator_says_more(made: str, amount: int) -> None:
    assert agreed(decisions(made)) == amount


# -- What a configuration may say ----------------------------------------------------------------------------------


def faults_of(**changes: Any) -> list[tuple[str, str]]:
    """What is wrong with a sound category that says this otherwise, as (path from the category, message)."""
    said = {"title": "Beyond", "max_amount": 1_000, "levels": [{"approver": "manager"}], **changes}
    faults: list[Fault] = []
    found = read_definitions({"nominations": {"beyond": said}}, faults)
    faults += check_definitions(found)
    return [(".".join(map(str, fault.path[2:])), fault.message) for fault in faults]


def level(**said: Any) -> dict[str, Any]:
    return {"levels": [{"approver": "manager", **said}]}


def test_a_sound_category_has_no_faults() -> None:
    by_amount = [
        {"approver": "manager"},
        {"members": ["ada", "bob"], "needs": "quorum", "quorum": 2, "from_amount": 500},
        {"audience": "member.role == 'hr'", "needs": "all", "from_amount": 500},
    ]

    assert faults_of(levels=by_amount, limit={"times": 2, "per": "month"}) == []


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"levels": []}, "levels", "somebody approves"),
        ({"levels": [{}]}, "levels.0", "in one way"),
        (level(members=["ada"]), "levels.0", "in one way"),
        (level(from_amount=1), "levels.0.from_amount", "must be 0"),
        (level(quorum=1), "levels.0.quorum", "no other does"),
        (level(needs="quorum"), "levels.0.quorum", "says how many"),
        (level(needs="quorum", quorum=2), "levels.0.quorum", "must be 1 to 1"),
        (level(remind_hours=336), "levels.0.remind_hours", "less than expire_hours (336)"),
        (level(expire_hours=0), "levels.0.expire_hours", "must be 1"),
        ({"default_amount": 1_001}, "default_amount", "must be 0 to 1000"),
        ({"max_amount": -1}, "max_amount", "must be 0"),
        ({"min_reason": 0}, "min_reason", "must be 1"),
        ({"limit": {"times": 0}}, "limit.times", "must be 1"),
        ({"levels": [{"members": ["ada", "ada"]}]}, "levels.0.members.1", "listed twice"),
        ({"levels": [{"members": [""]}]}, "levels.0.members.0", "1 to"),
        ({"levels": [{"audience": "member.role =="}]}, "levels.0.audience", "line 1"),
        ({"levels": [{"audience": "event.amount > 1"}]}, "levels.0.audience", "the member alone"),
        ({"levels": [{"audience": "member.rol == 'hr'"}]}, "levels.0.audience", "did you mean role?"),
        ({"levels": [{"audience": "member.role > 1"}]}, "levels.0.audience", ""),
        (
            {"levels": [{"approver": "manager"}, {"approver": "manager", "from_amount": 1_001}]},
            "levels.1.from_amount",
            "above max_amount",
        ),
        (
            {"levels": [{"approver": "manager"}, level(from_amount=9)["levels"][0], level(from_amount=8)["levels"][0]]},
            "levels.2.from_amount",
            "below that of the level before",
        ),
    ],
)
def test_a_category_that_cannot_work_says_where(changes: dict[str, Any], path: str, says: str) -> None:
    found = faults_of(**changes)

    assert [at for at, message in found if says in message] == [path], found
