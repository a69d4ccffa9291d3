"""Commands to the ledger as callers send them, and accounts, lots, holds and promises as they are shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from api.problems import Problem
from api.schemas.base import (
    NAME_PATTERN,
    Document,
    HoldId,
    Instant,
    Key,
    MemberId,
    PageQuery,
    PendingId,
    Strict,
    Text,
    TransactionId,
    whole,
)
from api.schemas.members import BalanceDocument
from api.schemas.problems import ProblemDocument
from domain import commands
from domain.commands import MAX_REFERENCE, Accepted, Command, Outcome, Refused, Replayed
from domain.expiry import OWN_REFERENCES
from domain.ledger import Lot
from storage.accounts import StoredHold, StoredPending
from storage.adjustments import Adjustment
from storage.commands import MAX_BATCH

MAX_AMOUNT = 10**15

OptionalMember = Annotated[str, StringConstraints(pattern=r"^mem_[0-9a-z]{26}$")] | None


def not_ours(reference: str) -> str:
    """Refuse what Laurel calls its own commands: whoever took the name of a refill would keep it from happening."""
    if reference.startswith(OWN_REFERENCES):
        raise ValueError(f"begins with {OWN_REFERENCES}, which is for Laurel's own")
    return reference


Reference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_REFERENCE, pattern=NAME_PATTERN),
    AfterValidator(not_ours),
]
Amount = Annotated[
    int,
    Field(ge=1, le=MAX_AMOUNT, description="In the unit's smallest part: points, or cents of money."),
    BeforeValidator(whole),
]
UnitKey = Annotated[Key, Field(description="A unit of the program.")]


class CommandBody(Strict):
    """What every command has."""

    reference: Reference = Field(description="Your own name for it, which never expires: once per program.")
    reason: Text | None = Field(None, description="Why, for statements.")
    effective_at: Instant | None = Field(
        None, description="When it took effect, if not now; as far back as the unit's `backdate_days`."
    )

    def command(self, actor: str, **named: Any) -> Command:
        """As the domain takes it; `named` are the ids that the path names."""
        kind = _KINDS[next(cls for cls in type(self).__mro__ if cls in _KINDS)]
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "kind"}
        return kind(actor=actor, **values, **named)


class EarningBody(CommandBody):
    """Value for a member: at once, or promised."""

    member_id: MemberId
    unit: UnitKey = "points"
    amount: Amount
    expires_at: Instant | None = Field(None, description="When it lapses, if not as the unit says.")
    available_at: Instant | None = Field(None, description="Until then it is promised; somebody confirms it.")
    awaits_approval: bool = Field(False, description="Promised until somebody confirms it.")


class AdjustmentBody(CommandBody):
    """A correction by hand."""

    member_id: MemberId
    unit: UnitKey = "points"
    amount: Annotated[int, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT), BeforeValidator(whole)] = Field(
        description="Given above zero, taken below; not zero.", json_schema_extra={"not": {"const": 0}}
    )
    expires_at: Instant | None = Field(None, description="When it lapses, if not as the unit says.")
    reason: Text = Field(description="Why, for statements.")

    def command(self, actor: str, **named: Any) -> Command:
        if self.amount == 0:
            raise Problem("invalid_request", errors=[{"pointer": "/amount", "detail": "must not be 0"}])
        return super().command(actor, **named)


class HoldBody(CommandBody):
    """Value to set aside."""

    member_id: MemberId
    unit: UnitKey = "points"
    amount: Amount
    expires_at: Instant | None = Field(None, description="When it is given back by itself; in a week, if not given.")


class _PartBody(CommandBody):
    amount: Amount | None = Field(None, description="All that is left, if not given.")


class SettlementBody(_PartBody):
    """How much of a hold is spent."""


class ReleaseBody(_PartBody):
    """How much of a hold is given back."""


class ConfirmationBody(CommandBody):
    """That promised value may be spent."""


class CancellationBody(CommandBody):
    """That promised value is taken back."""


class ReversalBody(CommandBody):
    """A transaction to be turned round: once, whole or in part."""

    transaction_id: TransactionId
    amount: Amount | None = Field(None, description="All of it, if not given.")


class TransferBody(CommandBody):
    """Value from one member to another."""

    from_member_id: MemberId
    to_member_id: MemberId
    unit: UnitKey = "points"
    amount: Amount


class ConversionBody(CommandBody):
    """Value that changes its unit at a declared rate, rounded down."""

    member_id: MemberId
    conversion: Key = Field(description="A conversion of the program.")
    amount: Amount


class ClosingBody(CommandBody):
    """A member's account of a unit that is to take nothing any more; it must be empty."""

    member_id: MemberId
    unit: UnitKey


_KINDS: dict[type, type[Command]] = {
    EarningBody: commands.Earn,
    AdjustmentBody: commands.Adjust,
    HoldBody: commands.PlaceHold,
    SettlementBody: commands.Settle,
    ReleaseBody: commands.Release,
    ConfirmationBody: commands.Confirm,
    CancellationBody: commands.Cancel,
    ReversalBody: commands.Reverse,
    TransferBody: commands.Transfer,
    ConversionBody: commands.Convert,
    ClosingBody: commands.CloseAccount,
}


# -- Commands of several kinds in one request ----------------------------------------------------------------------


class EarnCommand(EarningBody):
    kind: Literal["earn"]


class AdjustCommand(AdjustmentBody):
    kind: Literal["adjust"]


class HoldCommand(HoldBody):
    kind: Literal["hold"]


class SettleCommand(SettlementBody):
    kind: Literal["settle"]
    hold_id: HoldId


class ReleaseCommand(ReleaseBody):
    kind: Literal["release"]
    hold_id: HoldId


class ConfirmCommand(ConfirmationBody):
    kind: Literal["confirm"]
    pending_id: PendingId


class CancelCommand(CancellationBody):
    kind: Literal["cancel"]
    pending_id: PendingId


class ReverseCommand(ReversalBody):
    kind: Literal["reverse"]


class TransferCommand(TransferBody):
    kind: Literal["transfer"]


class ConvertCommand(ConversionBody):
    kind: Literal["convert"]


class CloseCommand(ClosingBody):
    kind: Literal["close"]


AnyCommand = Annotated[
    EarnCommand
    | AdjustCommand
    | HoldCommand
    | SettleCommand
    | ReleaseCommand
    | ConfirmCommand
    | CancelCommand
    | ReverseCommand
    | TransferCommand
    | ConvertCommand
    | CloseCommand,
    Field(discriminator="kind"),
]


class CommandsBody(Strict):
    """Commands in the order in which they are to be carried out."""

    commands: list[AnyCommand] = Field(min_length=1, max_length=MAX_BATCH)


# -- What came of them ---------------------------------------------------------------------------------------------


class BalanceAfterDocument(Document):
    """What a member can spend of a unit after a command; below zero, what the member owes."""

    member_id: str
    unit: str
    balance: int


class CommandDocument(Document):
    """What a command did."""

    reference: str
    status: Literal["accepted", "replayed"] = Field(description="Replayed: it was carried out before; this came of it.")
    transaction_id: str | None = Field(description="The transaction that it posted; closing an account posts none.")
    hold_id: str | None = None
    pending_id: str | None = None
    balances: list[BalanceAfterDocument]


class CommandResult(Document):
    """What came of one command of several: what it did, or a problem."""

    index: int
    status: int = Field(description="The HTTP status that the command alone would have been answered with.")
    command: CommandDocument | None = None
    problem: ProblemDocument | None = None


class CommandsResult(Document):
    """One result per command, in order."""

    results: list[CommandResult]


def command_document(reference: str, outcome: Accepted | Replayed) -> dict[str, Any]:
    """What a command did as CommandDocument."""
    done = outcome.first if isinstance(outcome, Replayed) else outcome
    status = "replayed" if isinstance(outcome, Replayed) else "accepted"
    balances = [{"member_id": one.member_id, "unit": one.unit, "balance": one.balance} for one in done.balances]
    return {"reference": reference, "status": status} | done.as_json() | {"balances": balances}


def command_problem(refused: Refused) -> Problem:
    """Why a command was refused, as the problem of its code."""
    return Problem(refused.code, refused.detail, more=refused.numbers)


def command_status(outcome: Outcome) -> int:
    """What a command alone is answered with."""
    if isinstance(outcome, Refused):
        return command_problem(outcome).kind.status
    return 201 if isinstance(outcome, Accepted) else 200


def results_document(wanted: Sequence[Command], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Outcomes as CommandsResult."""
    results: list[dict[str, Any]] = []
    for index, (command, outcome) in enumerate(zip(wanted, outcomes, strict=True)):
        item: dict[str, Any] = {"index": index, "status": command_status(outcome)}
        if isinstance(outcome, Refused):
            results.append(item | {"problem": command_problem(outcome).as_json()})
        else:
            results.append(item | {"command": command_document(command.reference, outcome)})
    return {"results": results}


# -- What there is -------------------------------------------------------------------------------------------------


class BalancesDocument(Document):
    """What a member has, of every unit."""

    member_id: str
    balances: list[BalanceDocument]


class LotDocument(Document):
    """Value granted together, with one expiry."""

    id: str
    transaction_id: str
    granted: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None


class HoldDocument(Document):
    """Value set aside."""

    id: str
    member_id: str
    unit: str
    transaction_id: str
    order_id: str | None = Field(description="The order with which it ends.")
    amount: int
    settled: int
    released: int
    state: Literal["open", "settled", "released"]
    expires_at: datetime | None
    created_at: datetime


class PendingDocument(Document):
    """Promised value."""

    id: str
    member_id: str
    unit: str
    transaction_id: str
    amount: int
    available_at: datetime | None
    expires_at: datetime | None
    state: Literal["open", "confirmed", "cancelled"]
    created_at: datetime


class AdjustmentDocument(Document):
    """A correction: posted at once, or proposed and decided by a second person."""

    id: str | None = Field(description="Of one that needs a second person.")
    reference: str
    member_id: str
    unit: str
    amount: int
    reason: str
    effective_at: datetime | None = Field(description="When it takes effect, if not when it is posted.")
    expires_at: datetime | None = Field(description="When it lapses, if not as the unit says.")
    state: Literal["posted", "proposed", "approved", "rejected"]
    proposed_by: str
    decided_by: str | None
    transaction_id: str | None
    created_at: datetime | None
    decided_at: datetime | None


class LotQuery(PageQuery):
    """Which lots to list."""

    unit: Key = Field("points", description="A unit of the program.")


class HoldQuery(PageQuery):
    """Which holds to list."""

    member_id: OptionalMember = None
    state: Literal["open", "settled", "released"] = "open"


class PendingQuery(PageQuery):
    """Which promises to list."""

    member_id: OptionalMember = None
    state: Literal["open", "confirmed", "cancelled"] = "open"


class AdjustmentQuery(PageQuery):
    """Which adjustments to list."""

    state: Literal["proposed", "approved", "rejected"] = "proposed"


def _of(document: type[Document], one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in document.model_fields}


def lot_document(lot: Lot) -> dict[str, Any]:
    """A lot as LotDocument."""
    return _of(LotDocument, lot)


def hold_document(hold: StoredHold) -> dict[str, Any]:
    """A hold as HoldDocument."""
    return _of(HoldDocument, hold)


def pending_document(pending: StoredPending) -> dict[str, Any]:
    """A promise as PendingDocument."""
    return _of(PendingDocument, pending)


def adjustment_document(adjustment: Adjustment) -> dict[str, Any]:
    """A large adjustment as AdjustmentDocument."""
    return _of(AdjustmentDocument, adjustment)


_ORDERED = ("reference", "member_id", "unit", "amount", "reason", "effective_at", "expires_at")


def posted_document(command: commands.Adjust, outcome: Accepted | Replayed) -> dict[str, Any]:
    """A small adjustment as AdjustmentDocument."""
    done = outcome.first if isinstance(outcome, Replayed) else outcome
    named = {name: getattr(command, name) for name in _ORDERED}
    posted = {"id": None, "state": "posted", "proposed_by": command.actor, "transaction_id": done.transaction_id}
    return named | posted | {"decided_by": None, "created_at": None, "decided_at": None}
