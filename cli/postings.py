"""A transaction of the ledger for people: what it moved, and what it came from."""

from collections.abc import Iterator

from rich.markup import escape

from cli.tabular import moment
from storage.postings import PostingExplained


def told(posting: PostingExplained) -> Iterator[str]:
    """What a transaction moved and what it came from, line by line in rich's markup."""
    yield f"[bold]{posting.id}[/bold] {posting.kind}, from {escape(posting.origin)}"
    if posting.actor or posting.reason:
        yield f"  ordered by {escape(posting.actor or 'nobody named')}: {escape(posting.reason or 'no reason given')}"
    for move in posting.moves:
        yield f"  {move.amount} {move.unit} from {escape(move.from_account)} to {escape(move.to_account)}"
    yield f"  effective {moment(posting.effective_at)}, recorded {moment(posting.recorded_at)}"
    if posting.reverses_id:
        yield f"  it takes back {posting.reverses_id}"
    if posting.reversed_by:
        yield f"  it was taken back by {posting.reversed_by}"
