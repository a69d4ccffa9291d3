"""What callers were told beside what the ledger did: each way in which they can differ is noticed."""

from dataclasses import replace

import pytest

from cli.chaos.inspection import compare
from cli.chaos.load import Answer, Request
from storage.effects import Effect

EARNED = Request("a-1", "earn", "/v1/earnings", b"{}", 10, False, 1, Answer(201, {"transaction_id": "txn_1"}))
DEAL = Request("a-2", "event", "/v1/events", b"{}", 7, False, 2, Answer(201, {"id": "evt_2"}))
REFUSED = Request("a-3", "hold", "/v1/holds", b"{}", 5, False, 1, Answer(409, {"code": "insufficient_points"}))
SENT_ONCE = Request("a-4", "transfer", "/v1/transfers", b"{}", 3, True, 1)
REQUESTS = [EARNED, DEAL, REFUSED, SENT_ONCE]

OF_EARNED = Effect("a-1", "txn_1", None, 10)
OF_DEAL = Effect("a-2", "txn_2", "evt_2", 7)
OF_SENT_ONCE = Effect("a-4", "txn_4", None, 3)

ACKNOWLEDGED = "I8 what was acknowledged is there once, as told"
ONCE = "I8 what nobody heard of happened at most once"


def violated(requests: list[Request], effects: list[Effect]) -> dict[str, tuple[str, ...]]:
    return {check.name: check.examples for check in compare(requests, effects) if check.violations}


@pytest.mark.parametrize("unheard", [[], [OF_SENT_ONCE]])
def test_what_is_as_callers_were_told_violates_nothing(unheard: list[Effect]) -> None:
    assert violated(REQUESTS, [OF_EARNED, OF_DEAL, *unheard]) == {}


@pytest.mark.parametrize(
    ("effects", "invariant", "example"),
    [
        ([OF_DEAL], ACKNOWLEDGED, "a-1"),
        ([OF_EARNED], ACKNOWLEDGED, "a-2"),
        ([OF_EARNED, OF_DEAL, OF_EARNED._replace(transaction_id="txn_9")], ACKNOWLEDGED, "a-1"),
        ([OF_EARNED._replace(transaction_id="txn_9"), OF_DEAL], ACKNOWLEDGED, "a-1"),
        ([OF_EARNED._replace(amount=11), OF_DEAL], ACKNOWLEDGED, "a-1"),
        ([OF_EARNED, OF_DEAL._replace(event_id="evt_9")], ACKNOWLEDGED, "a-2"),
        ([OF_EARNED, OF_DEAL, Effect("a-3", "txn_3", None, 5)], "I8 what was refused did nothing", "a-3"),
        ([OF_EARNED, OF_DEAL, OF_SENT_ONCE, OF_SENT_ONCE._replace(transaction_id="txn_9")], ONCE, "a-4"),
        ([OF_EARNED, OF_DEAL, Effect("b-1", "txn_5", None, 5)], "I8 nothing is there that nobody asked for", "b-1"),
    ],
)
def test_what_is_not_as_callers_were_told_is_named(effects: list[Effect], invariant: str, example: str) -> None:
    assert violated(REQUESTS, effects) == {invariant: (example,)}


def test_who_went_on_asking_in_vain_is_named() -> None:
    patient = replace(SENT_ONCE, sent_once=False)

    assert violated([patient], []) == {"I13 whoever went on asking was answered": ("a-4",)}
