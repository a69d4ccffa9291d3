"""Rules: what the declared rounding makes of an award."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from domain.configuration import Rounding
from domain.rules import MAX_AWARD, round_award

AWARDS = st.floats(0, MAX_AWARD)
HALVES = st.integers(0, MAX_AWARD - 1).map(lambda whole: whole + 0.5)


@given(raw=AWARDS | HALVES)
@example(raw=0.49999999999999994)
@example(raw=2.675)
def test_an_award_is_rounded_to_the_nearest_by_its_shortest_decimal_form(raw: float) -> None:
    """Whatever float an expression gives, to the last digit."""
    shortest = Decimal(repr(raw))

    assert round_award(raw, Rounding.HALF_UP) == shortest.quantize(Decimal(1), ROUND_HALF_UP)
    assert round_award(raw, Rounding.HALF_EVEN) == shortest.quantize(Decimal(1), ROUND_HALF_EVEN)
