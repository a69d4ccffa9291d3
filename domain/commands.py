"""Commands: what callers order of the ledger, each under a reference of their own that never expires.

A command is accepted, refused by a stable code with nothing moved, or known already: the same again is answered with
the first outcome, another under the same reference is refused.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import orjson

MAX_REFERENCE = 200  # characters

# What belongs to the request and not to what is ordered: another key may repeat a command.
_NOT_CONTENT = {"reference", "actor", "approved_by"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`reference` is the caller's name for it, unique in the program; it takes effect now, or at `effective_at`."""

    kind: ClassVar[str]
    reference: str
    actor: str
    reason: str | None = None
    effective_at: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.reference) <= MAX_REFERENCE:
            raise ValueError(f"a reference has 1 to {MAX_REFERENCE} characters")

    @property
    def fingerprint(self) -> bytes:
        """A digest of what is ordered: the same under one reference is a repeat."""
        content = {name: _plain(getattr(self, name)) for name in _content(self)}
        return hashlib.sha256(orjson.dumps([self.kind, content], option=orjson.OPT_SORT_KEYS)).digest()

    @property
    def member_ids(self) -> tuple[str, ...]:
        """Whom it names, as the caller names them."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfMember(Command):
    member_id: str

    @property
    def member_ids(self) -> tuple[str, ...]:
        return (self.member_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earn(_OfMember):
    """Grant value: at once, from `available_at` on, or when somebody approves. It lapses as the unit says, or then."""

    kind = "earn"
    unit: str
    amount: int
    expires_at: datetime | None = None
    available_at: datetime | None = None
    awaits_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust(_OfMember):
    """Give (above zero) or take (below zero) value by hand; `approved_by` is the second person, where it takes one."""

    kind = "adjust"
    unit: str
    amount: int
    expires_at: datetime | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(_OfMember):
    """Set value aside until `expires_at`."""

    kind = "hold"
    unit: str
    amount: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend(_OfMember):
    """Use value up at once; reversed, it comes back with the expiry that it had."""

    kind = "spend"
    unit: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Command):
    """Spend what is held, or `amount` of it."""

    kind = "settle"
    hold_id: str
    amount: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Command):
    """Give back what is held, or `amount` of it."""

    kind = "release"
    hold_id: str
    amount: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm(Command):
    """Make promised value available."""

    kind = "confirm"
    pending_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    """Take a promise back."""

    kind = "cancel"
    pending_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(Command):
    """Turn a transaction round, whole or in part: once, and whatever is left then stays."""

    kind = "reverse"
    transaction_id: str
    amount: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Command):
    """Give value to another member."""

    kind = "transfer"
    from_member_id: str
    to_member_id: str
    unit: str
    amount: int

    @property
    def member_ids(self) -> tuple[str, ...]:
        return self.from_member_id, self.to_member_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert(_OfMember):
    """Change `amount` of a declared conversion's unit into its other unit."""

    kind = "convert"
    conversion: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccount(_OfMember):
    """Let the member's accounts of a unit take nothing any more."""

    kind = "close"
    unit: str


# -- Outcomes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Balance:
    """What a member can spend of one unit after a command; below zero is debt."""

    member_id: str
    unit: str
    balance: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a command did: its transaction (closing an account posts none), what it made, and balances after it."""

    transaction_id: str | None
    balances: tuple[Balance, ...] = ()
    hold_id: str | None = None
    pending_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What is kept under the command's reference."""
        return {
            "transaction_id": self.transaction_id,
            "balances": [[one.member_id, one.unit, one.balance] for one in self.balances],
            "hold_id": self.hold_id,
            "pending_id": self.pending_id,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`."""
        return cls(**{**kept, "balances": tuple(Balance(*balance) for balance in kept["balances"])})


@dataclass(frozen=True, slots=True)
class Replayed:
    """The command was carried out before; `first` is what it did then."""

    first: Accepted


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a command was not carried out, by a stable code; `numbers` are what the reason depends on."""

    code: str
    detail: str
    member_id: str | None = None
    numbers: Mapping[str, int] | None = None


Outcome = Accepted | Replayed | Refused


@dataclass(frozen=True, slots=True)
class KeptCommand:
    """A command that was carried out, as it is known by its reference."""

    fingerprint: bytes
    outcome: Accepted


# By kind, the fields that are what is ordered.
_CONTENT: dict[str, tuple[str, ...]] = {}


def _content(command: Command) -> tuple[str, ...]:
    if command.kind not in _CONTENT:
        _CONTENT[command.kind] = tuple(one.name for one in fields(command) if one.name not in _NOT_CONTENT)
    return _CONTENT[command.kind]


def _plain(value: Any) -> Any:
    """An instant is the same in whatever zone it was written."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
