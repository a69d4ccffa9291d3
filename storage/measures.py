"""What is counted of the ledger: only what was committed, and each of it once, whoever posted it."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Accepted, Command, Outcome, Refused
from domain.ledger import Book

# In a session's `info`, what is to be counted when it commits.
TO_COUNT = "to count"

_POSTINGS = Counter("laurel_ledger_postings_total", "Transactions posted to ledgers", ["kind"])
_COMMANDS = Counter("laurel_ledger_commands_total", "Commands to ledgers by what came of them", ["kind", "outcome"])
_REFUSALS = Counter("laurel_ledger_refusals_total", "Refused commands", ["kind", "code"])
_EVENTS = Counter("laurel_events_total", "Events taken in, by what came of them", ["outcome"])


def note_postings(session: AsyncSession, book: Book) -> None:
    """The book's transactions were written."""
    _note(session, ((_POSTINGS, transaction.kind) for transaction in book.transactions))


def note_commands(session: AsyncSession, commands: Iterable[Command], outcomes: Iterable[Outcome]) -> None:
    """This came of these commands."""
    for command, outcome in zip(commands, outcomes, strict=True):
        if isinstance(outcome, Refused):
            note_refusal(session, command.kind, outcome.code)
        else:
            done = "accepted" if isinstance(outcome, Accepted) else "replayed"
            _note(session, [(_COMMANDS, command.kind, done)])


def note_refusal(session: AsyncSession, kind: str, code: str) -> None:
    """A command was refused."""
    _note(session, [(_COMMANDS, kind, "refused"), (_REFUSALS, kind, code)])


def note_events(session: AsyncSession, outcomes: Iterable[str]) -> None:
    """Events were taken in with these outcomes."""
    _note(session, ((_EVENTS, outcome) for outcome in outcomes))


def _note(session: AsyncSession, counts: Iterable[tuple[Counter, *tuple[str, ...]]]) -> None:
    session.info.setdefault(TO_COUNT, Tally()).update(counts)


def count_committed(session: AsyncSession) -> None:
    """Count what was noted; to be called when it is committed."""
    for (counter, *labels), number in session.info.pop(TO_COUNT, {}).items():
        counter.labels(*labels).inc(number)
