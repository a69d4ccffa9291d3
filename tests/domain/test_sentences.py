"""A sentence is kept as it was told, and reads in English without anything else."""

from datetime import UTC, date, datetime

import pytest

from domain.configuration import POINTS, Unit, UnitKind
from domain.sentences import (
    Amount,
    Listed,
    Moment,
    Value,
    alone,
    counted,
    english,
    lines,
    points,
    read,
    sentence,
    write,
)

KUDOS = Unit("kudos", 0, "Kudos")
CASH = Unit("cash", 0, "Cashback", kind=UnitKind.MONEY, currency="EUR", exponent=2)
AT = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
VALUES: list[tuple[Value, str]] = [
    ("Ada {n}", "Ada {n}"),
    (1_250, "1,250"),
    (date(2026, 3, 4), "2026-03-04"),
    (Moment(AT, "Europe/Berlin"), "2026-03-05 00:30"),
    (Amount(1_250, POINTS), "1,250 points"),
    (Amount(3, KUDOS), "3 kudos"),
    (Amount(1_250, CASH), "12.50 EUR"),
    (Listed([Amount(3, KUDOS), "a mug"]), "3 kudos, a mug"),
    (points(1), "1 point"),
    (counted("{name}, once", "{name}, {n} times", 1_250, name="Ada"), "Ada, 1,250 times"),
    (sentence("Still to decide: {what}", what=sentence("{name} won", name="{what}")), "Still to decide: {what} won"),
    (lines(alone("{why} not"), sentence("Proposed")), "{why} not\nProposed"),
]


@pytest.mark.parametrize(("value", "said"), VALUES, ids=[said for _, said in VALUES])
def test_a_value_reads_in_english_and_is_what_was_kept(value: Value, said: str) -> None:
    kept = write(value)

    assert english(value) == said
    assert english(read(kept)) == said
    assert write(read(kept)) == kept
