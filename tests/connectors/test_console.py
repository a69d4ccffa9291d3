from datetime import UTC, datetime

from structlog.testing import capture_logs

from connectors import console
from domain.notifications import Notification


def test_the_console_says_that_something_was_told_and_not_what() -> None:
    told = Notification(
        "ntf_1",
        "prg_1",
        "mem_1",
        "reward_offered",
        "canary subject",
        "canary body",
        "rwd_1",
        datetime(2026, 3, 1, tzinfo=UTC),
    )

    with capture_logs() as lines:
        console.tell(told)

    [line] = lines
    assert (line["notification_id"], line["reference"]) == ("ntf_1", "rwd_1")
    assert "canary" not in str(line)
