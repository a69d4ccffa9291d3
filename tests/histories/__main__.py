"""Record what is not recorded yet: run the tests whose stories are worth keeping."""

import os
import sys

import pytest

from tests.histories.recording import RECORD

# One for each way through a workflow that old code may have left running.
STORIES = (
    "becomes_one_card",
    "answer_was_lost_is_found and timeout_after_success",
    "goes_on_when_funded",
    "vendor_refuses_gives_the_points_back",
    "paused_program",
    "bounced_card_goes_to_another_address",
    "bounced_card_is_taken_back",
    "resolved_by_proof",
    "ordered_for_the_first_item",
    "opened_spoken_of_and_settled",
    "extended_challenge",
    "cancelled_challenge",
    "launches_what_follows",
    "all_that_is_due",
    "settled_once",
    "cannot_be_settled",
    "cannot_be_expired",
    "nothing_saves_is_reminded",
    "saving_event_ends_the_wait",
    "ends_with_its_policy",
    "absent_approver",
    "level_by_level",
    "declined_nomination",
    "members_of_every_program_once",
    "first_run_reads_everybody",
    "later_run_reads_what_changed",
)

if __name__ == "__main__":
    os.environ[RECORD] = "1"
    sys.exit(pytest.main(["tests/workflows", "-q", "-k", " or ".join(f"({story})" for story in STORIES)]))
