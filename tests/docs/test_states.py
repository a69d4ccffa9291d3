"""docs/states.md draws every state and every arrow that the code has, and none besides."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from domain.challenges import CHALLENGE_ARROWS, ChallengeState
from domain.grace import GRACE_ARROWS, GraceState
from domain.nominations import NOMINATION_ARROWS, NominationState
from domain.orders import ARROWS, DELIVERY_ARROWS, Delivery, OrderState
from domain.proposals import PROPOSAL_ARROWS, ProposalState
from domain.rewards import REWARD_ARROWS, RewardState

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text()
_ARROW = re.compile(r"^    (\w+) --> (\w+) : (\w+)$", re.MULTILINE)
_ROW = re.compile(r"^\| (\w+) \|", re.MULTILINE)

Arrows = Mapping[tuple[Any, Any], StrEnum]
MACHINES: list[tuple[str, Arrows, type[StrEnum]]] = [
    ("An order", ARROWS, OrderState),
    ("Its delivery", DELIVERY_ARROWS, Delivery),
    ("A reward", REWARD_ARROWS, RewardState),
    ("A challenge", CHALLENGE_ARROWS, ChallengeState),
    ("A proposal", PROPOSAL_ARROWS, ProposalState),
    ("A grace window", GRACE_ARROWS, GraceState),
    ("A nomination", NOMINATION_ARROWS, NominationState),
]


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def drawn(title: str) -> Iterable[tuple[str, str, str]]:
    return sorted((state, event, target) for state, target, event in _ARROW.findall(section(title)))


@pytest.mark.parametrize(("title", "arrows", "states"), MACHINES)
def test_the_picture_has_every_arrow_and_no_other(title: str, arrows: Arrows, states: type[StrEnum]) -> None:
    assert drawn(title) == sorted((state.value, event.value, target.value) for (state, event), target in arrows.items())


@pytest.mark.parametrize(("title", "arrows", "states"), MACHINES)
def test_every_state_is_explained_and_reached(title: str, arrows: Arrows, states: type[StrEnum]) -> None:
    explained = [word for word in _ROW.findall(section(title).split("```")[0]) if word != "state"]

    assert explained == [state.value for state in states]
    assert {target for _, target in arrows.items()} | {next(iter(states))} == set(states)
