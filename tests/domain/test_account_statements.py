"""Totals by category: they make the balance's change, whatever was moved."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import CheckConstraint

from domain.account_statements import Category, Moved, category_of, totals
from storage.tables import transactions

# What never touches available or held value.
OF_PROMISES = {"pend", "cancel"}


def kinds() -> set[str]:
    """Every kind of transaction that the database takes."""
    checks = (one for one in transactions.constraints if isinstance(one, CheckConstraint))
    return set(
        re.findall(r"'(\w+)'", next(str(one.sqltext) for one in checks if str(one.sqltext).startswith("kind IN")))
    )


KINDS = sorted(kinds() - OF_PROMISES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_transaction_is_in_a_category(kind: str):
    assert category_of(kind, for_event=True) in Category


@given(st.lists(st.builds(Moved, st.sampled_from(KINDS), st.booleans(), st.booleans(), st.integers())))
def test_the_totals_are_the_sum_of_what_was_moved_on_the_account_itself(moved: list[Moved]):
    assert sum(totals(moved).values()) == sum(one.amount for one in moved if not one.held)


def test_what_is_settled_is_no_longer_held_but_spent():
    hold = [Moved("hold", False, False, -70), Moved("hold", False, True, 70)]
    settled = [*hold, Moved("settle", False, True, -70)]

    assert (totals(hold)[Category.HELD], totals(hold)[Category.SPENT]) == (-70, 0)
    assert (totals(settled)[Category.HELD], totals(settled)[Category.SPENT]) == (0, -70)
