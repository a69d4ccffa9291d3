from pathlib import Path

import pytest

from domain import scopes
from domain.scopes import DESCRIPTIONS, Scope

PAGE = Path(__file__).parents[2] / "docs" / "scopes.md"


def test_every_scope_is_described_in_the_documentation() -> None:
    rows = [f"| `{scope}` | {DESCRIPTIONS[scope]} |" for scope in Scope]

    written = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert written == rows


def test_an_unknown_scope_is_named() -> None:
    with pytest.raises(ValueError, match="unknown scopes: points:print"):
        scopes.parse(["events:write", "points:print"])


def test_a_key_may_do_what_it_holds_and_nothing_else() -> None:
    held = scopes.parse(["events:write"])

    assert scopes.allows(held, Scope.EVENTS_WRITE)
    assert not scopes.allows(held, Scope.EVENTS_READ)


def test_whoever_may_order_everything_of_the_ledger_may_order_each_of_it() -> None:
    assert scopes.allows({Scope.LEDGER_WRITE}, Scope.HOLDS_WRITE)
    assert not scopes.allows({Scope.HOLDS_WRITE}, Scope.LEDGER_WRITE)
    assert not scopes.allows({Scope.LEDGER_WRITE}, Scope.ADJUSTMENTS_APPROVE)


@pytest.mark.parametrize("needed", Scope)
def test_an_administrator_may_do_everything(needed: Scope) -> None:
    assert scopes.allows({Scope.PROGRAMS_ADMIN}, needed)
