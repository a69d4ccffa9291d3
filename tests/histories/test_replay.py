"""What earlier versions have begun, this version can go on with: recorded histories replay."""

import re
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from settings import DEVELOPMENT_KEYS, SecretKeys
from storage.keyring import Keyring
from tests.histories.recording import HISTORIES
from worker import WORKFLOWS
from workflows.plugin import LaurelPlugin

RECORDED = sorted(HISTORIES.glob("*/*/*.json"))


def replayer() -> Replayer:
    return Replayer(
        workflows=WORKFLOWS, plugins=[LaurelPlugin(Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS)))]
    )


@pytest.fixture(params=RECORDED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def recorded(request: pytest.FixtureRequest) -> str:
    """Every recorded history in turn, as JSON."""
    path: Path = request.param
    return path.read_text()


async def test_a_recorded_history_replays(recorded: str) -> None:
    await replayer().replay_workflow(WorkflowHistory.from_json("recorded", recorded))


async def test_a_body_that_does_something_else_than_it_did_is_noticed(recorded: str) -> None:
    changed = WorkflowHistory.from_json(
        "recorded",
        re.sub(
            r'"(read_order|read_reward|read_challenge|make_next_challenge|read_grace|settle_streaks|settle_due|expire_page'
            r'|settle_employment|sync_page|ask_approvers)"',
            '"read_otherwise"',
            recorded,
        ),
    )

    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(changed)


def test_every_workflow_has_recorded_histories() -> None:
    assert {path.parts[-3] for path in RECORDED} == {workflow.__name__ for workflow in WORKFLOWS}


def test_recorded_histories_can_be_read_without_a_key() -> None:
    assert not [path for path in RECORDED if "encryption-key-id" in path.read_text()]
