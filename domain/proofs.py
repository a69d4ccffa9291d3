"""Proofs: one entry of a statement, and how it follows that it is under a signed checkpoint.

A proof shows two parts of a record, what the statement says of the transaction and the entry, each with its salt. Of
the record's other parts it holds hashes, and of all other records the roots of subtrees: neither tells anything.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.chain import Entry, Posting, entry_fields, part_hash, part_salts, transaction_fields

FORMAT = "laurel-proof/1"


@dataclass(frozen=True, slots=True)
class Proof:
    """What docs/verify_proof.py reads. `parts` are the record's in order: shown with salt and fields, or a hash."""

    parts: Sequence[dict[str, Any]]
    index: int
    path: Sequence[bytes]
    checkpoint: str

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "parts": self.parts,
            "index": self.index,
            "path": [_text(one) for one in self.path],
            "checkpoint": self.checkpoint,
        }


def show(
    program_id: str, posting: Posting, commitment: bytes | None, salt: bytes, entry: Entry
) -> list[dict[str, Any]]:
    """The parts of a posting, of which only what concerns the entry is shown."""
    parts = posting.parts(program_id, commitment)
    shown = {0: transaction_fields(program_id, posting), 1 + posting.entries.index(entry): entry_fields(posting, entry)}
    return [
        {"salt": _text(own), "fields": shown[n]} if n in shown else {"hash": _text(part_hash(own, part))}
        for n, (own, part) in enumerate(zip(part_salts(salt, len(parts)), parts, strict=True))
    ]


def _text(value: bytes) -> str:
    return b64encode(value).decode()
