"""The chain that seals a program's ledger: a record's canonical bytes, its digest, its link, and a tree over digests.

A record is a list of parts: what a statement shows of a transaction, each of its entries, and the rest. Every part is
hashed with a salt of its own, and the record's digest is taken over these hashes, so one part can be shown to somebody
who then learns nothing of the others. Links join digests in order: to change one is to change all that follow. The tree
over the digests is that of RFC 6962, whose inclusion proofs need no more than log2(size) hashes.

The bytes of a version never change: what was sealed stays verifiable. A new field is a new version.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256, shake_256
from typing import NamedTuple

VERSION = 1
HASH_BYTES = 32
SALT_BYTES = 16

# What a hash is of, as its first byte: nothing of one kind can be taken for another. The first two are RFC 6962's.
_LEAF, _NODE, _PART, _RECORD, _LINK, _COMMITMENT = b"\x00", b"\x01", b"\x10", b"\x11", b"\x12", b"\x13"

Field = str | int | None
# An instant, as microseconds since 1970.
Instant = int


def encode(*fields: Field) -> bytes:
    """The fields one after the other, each "length:text,"; nothing is "-,". No two lists give the same bytes.

    Lengths are of the UTF-8 text in bytes; integers are decimal.
    """
    joined = "".join(["-," if field is None else f"{len(text := str(field))}:{text}," for field in fields])
    # Nearly always; asked once for all fields, because this is where most of verification's time goes.
    return joined.encode() if joined.isascii() else b"".join(map(_encoded, fields))


def _encoded(field: Field) -> bytes:
    text = str(field).encode()
    return b"-," if field is None else b"%d:%b," % (len(text), text)


def commit(salt: bytes, texts: Sequence[str | None]) -> bytes:
    """What stands for a person's texts in a record: once the salt is gone, nobody can tell what they were."""
    return sha256(_COMMITMENT + salt + encode(*texts)).digest()


# -- Records -------------------------------------------------------------------------------------------------------

# The rows that the bytes of VERSION hold. They are not those of a Book, which may get more columns.


class Transfer(NamedTuple):
    n: int
    unit: str
    from_account: str
    to_account: str
    amount: int


class Entry(NamedTuple):
    n: int
    account_id: str
    amount: int
    balance: int | None
    version: int | None


class Grant(NamedTuple):
    """What never changes of a lot."""

    id: str
    account_id: str
    granted: int
    expires_at: Instant | None
    granted_at: Instant


class Move(NamedTuple):
    lot_id: str
    kind: str
    amount: int


class Rate(NamedTuple):
    """The conversion that a transaction made."""

    conversion: str
    from_unit: str
    to_unit: str
    from_amount: int
    to_amount: int
    rate_from: int
    rate_to: int


@dataclass(slots=True)
class Posting:
    """A ledger transaction with everything that it wrote, each list in the order of its key."""

    personal: tuple[str | None, ...]  # reason, actor
    id: str
    kind: str
    effective_at: Instant
    recorded_at: Instant
    business_key: str
    event_id: str | None
    order_id: str | None
    reverses_id: str | None
    transfers: list[Transfer] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    rate: Rate | None = None

    def parts(self, program_id: str, commitment: bytes | None) -> list[bytes]:
        """What a statement shows, each entry, the rest."""
        shown = encode(*transaction_fields(program_id, self))
        entries = [encode("laurel/entry/1", self.id, *entry) for entry in self.entries]
        return [shown, *entries, encode(*self._cause(commitment))]

    def _cause(self, commitment: bytes | None) -> list[Field]:
        """Why the transaction was made, and what else it wrote; each list is preceded by its length."""
        fields: list[Field] = ["laurel/cause/1", self.business_key, self.event_id, self.order_id, self.reverses_id]
        fields += (commitment.hex() if commitment else None, len(self.transfers))
        for transfer in self.transfers:
            fields += transfer
        fields.append(len(self.grants))
        for grant in self.grants:
            fields += grant
        fields.append(len(self.moves))
        for move in self.moves:
            fields += move
        fields += self.rate or ()
        return fields


def transaction_fields(program_id: str, posting: Posting) -> list[Field]:
    """What every statement line shows of its posting."""
    about = posting.id, posting.kind, posting.effective_at, posting.recorded_at
    return ["laurel/transaction/1", program_id, *about]


def entry_fields(posting: Posting, entry: Entry) -> list[Field]:
    """What a statement line shows of its entry."""
    return ["laurel/entry/1", posting.id, *entry]


@dataclass(slots=True)
class RefusedCommand:
    """A refusal as it is sealed."""

    personal: tuple[str | None, ...]  # reference, detail as JSON, member, actor
    id: str
    kind: str
    code: str
    recorded_at: Instant

    def parts(self, program_id: str, commitment: bytes | None) -> list[bytes]:
        """One part: nobody is shown less than all of it."""
        named = commitment.hex() if commitment else None
        return [encode("laurel/refusal/1", program_id, self.id, self.kind, self.code, self.recorded_at, named)]


@dataclass(slots=True)
class CountedRefusals:
    """How many refusals of one actor were only counted, because there were too many to keep."""

    personal: tuple[str | None, ...]  # actor
    id: str
    counted: int
    from_at: Instant
    until_at: Instant

    def parts(self, program_id: str, commitment: bytes | None) -> list[bytes]:
        """One part."""
        named = commitment.hex() if commitment else None
        return [
            encode("laurel/refusals-counted/1", program_id, self.id, self.counted, self.from_at, self.until_at, named)
        ]


Record = Posting | RefusedCommand | CountedRefusals


# -- Digests and links ---------------------------------------------------------------------------------------------


def part_salts(salt: bytes, count: int) -> list[bytes]:
    """The salts of a record's parts: who knows some of them cannot tell the others."""
    stream = shake_256(salt).digest(SALT_BYTES * count)
    return [stream[n : n + SALT_BYTES] for n in range(0, len(stream), SALT_BYTES)]


def part_hash(salt: bytes, part: bytes) -> bytes:
    """What stands for a part in its record's digest."""
    return sha256(_PART + salt + part).digest()


def record_digest(part_hashes: Iterable[bytes]) -> bytes:
    """The digest of a record from the hashes of its parts."""
    return sha256(_RECORD + b"".join(part_hashes)).digest()


def digest(parts: Sequence[bytes], salt: bytes) -> bytes:
    """The digest of a record from its parts."""
    return record_digest(map(part_hash, part_salts(salt, len(parts)), parts))


def first_link(program_id: str) -> bytes:
    """What the first link of a program's chain follows."""
    return sha256(_LINK + encode("laurel/chain/1", program_id)).digest()


def link(previous: bytes, position: int, digest: bytes) -> bytes:
    """The link of the record at this position, which stands for everything up to it."""
    return sha256(_LINK + previous + position.to_bytes(8, "big") + digest).digest()


# -- The tree of RFC 6962, section 2.1 -----------------------------------------------------------------------------


class Tree:
    """A tree that grows by digests; of it only the roots of its complete subtrees are kept, the largest first."""

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)

    def add(self, digest: bytes) -> None:
        """Append one leaf."""
        node, size = sha256(_LEAF + digest).digest(), self.size
        while size & 1:
            node = sha256(_NODE + self.roots.pop() + node).digest()
            size >>= 1
        self.roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The hash over all leaves."""
        if not self.roots:
            return sha256(b"").digest()
        roots = reversed(self.roots)
        node = next(roots)
        for larger in roots:
            node = sha256(_NODE + larger + node).digest()
        return node


def siblings(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose roots prove that the leaf at `index` is in a tree of `size`, the nearest first."""
    return [*reversed(list(_descend(index, 0, size)))]


def _descend(index: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
    while stop - start > 1:
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        if index < middle:
            yield middle, stop
            stop = middle
        else:
            yield start, middle
            start = middle
