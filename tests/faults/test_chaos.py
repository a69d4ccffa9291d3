"""`laurel chaos` in short: of each sort of fault the sharpest, and nothing is violated."""

import pytest

from cli.chaos import campaign
from cli.chaos.faults import FAULTS, kill_before_acknowledging, kill_postgres, lose_answers_to_commits

SHARPEST = [fault.__name__ for fault in (lose_answers_to_commits, kill_before_acknowledging, kill_postgres)]
SEED = 2
# Before and after each fault: enough that callers wait in every lane.
ANSWERS = 40
SOAK_ROUNDS = 32


async def test_what_was_acknowledged_is_there_once_although_servers_die_under_load() -> None:
    report = await campaign.run(SHARPEST, SEED, answers=ANSWERS)

    assert report.as_json()["violated"] == []
    assert report.answers_lost > 0
    assert any(request.replayed and request.accepted for request in report.requests)
    assert all(outcomes["accepted"] for outcomes in report.as_json()["by_kind"].values())


@pytest.mark.parametrize("rounds", [len(FAULTS), SOAK_ROUNDS])
def test_every_kind_of_fault_is_drawn_as_often(rounds: int) -> None:
    drawn = campaign.drawn(rounds, SEED)

    assert {drawn.count(fault) for fault in FAULTS} == {rounds // len(FAULTS)}
    assert drawn == campaign.drawn(rounds, SEED)
