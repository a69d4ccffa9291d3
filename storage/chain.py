"""Whether a program's chain holds: I9, recomputed from the rows and seals, page by page, so that memory stays flat."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from domain.chain import VERSION, Record, Tree, commit, digest, first_link, link
from domain.checkpoints import Checkpoint, NotAuthentic, SigningKeys
from storage import records
from storage.hot_path import run, run_together
from storage.records import Subject
from storage.seals import Seal
from storage.sets import texts
from storage.verification import MAX_EXAMPLES, Check

PAGE_ROWS = 2_000
NO_END = 2**62

_SEALS = f"""SELECT {", ".join(Seal._fields)} FROM seals WHERE program_id = %(program_id)s AND position >= %(start)s
    ORDER BY position LIMIT %(limit)s"""
_COMMITMENTS = """SELECT c.subject_id, c.digest, c.salt, e.subject_id IS NOT NULL
    FROM commitments c LEFT JOIN erasures e ON e.subject_id = c.subject_id AND e.program_id = c.program_id
    WHERE c.program_id = %(program_id)s AND c.subject_id = ANY(CAST(%(ids)s AS text[]))"""
_NOTES = """SELECT note FROM checkpoints
    WHERE program_id = %(program_id)s AND size > %(start)s AND size <= %(stop)s ORDER BY size"""
_LENGTH = "SELECT coalesce(max(position) + 1, 0) FROM seals WHERE program_id = %(program_id)s"

Progress = Callable[[int], None]


class Commitment(NamedTuple):
    """`erased` says that it is on record that the texts were taken away."""

    digest: bytes
    salt: bytes | None
    erased: bool


async def length(session: AsyncSession, program_id: str) -> int:
    """How many records are sealed."""
    ((found,),) = await run(session, _LENGTH, {"program_id": program_id})
    return int(found)


async def verify(
    session: AsyncSession,
    program_id: str,
    keys: SigningKeys,
    exported: Iterable[str] = (),
    progress: Progress = lambda _: None,
) -> list[Check]:
    """Check I9 over all that is sealed, from one snapshot of the database.

    `exported` are signed notes that were kept outside, of this program or others. `progress` hears how many records
    have been checked since it was last told.
    """
    await records.go_by_index(session)
    walk = _Walk(program_id, keys)
    walk.expect(exported, "kept outside")
    page = await _page(session, program_id, 0)
    while page.seals:
        # The database finds the next page while this one is hashed.
        _, following = await asyncio.gather(
            asyncio.to_thread(walk.check, page), _page(session, program_id, page.seals[-1].position + 1)
        )
        progress(len(page.seals))
        page = following
    walk.expect(page.notes, "stored")
    return walk.end()


class _Page(NamedTuple):
    """Seals with what they are of; and the checkpoints up to the last of them, or all that are left after the end."""

    seals: Sequence[Seal]
    found: Mapping[str, Record]
    commitments: Mapping[str, Commitment]
    notes: Sequence[str]


async def _page(session: AsyncSession, program_id: str, start: int) -> _Page:
    rows = await run(session, _SEALS, {"program_id": program_id, "start": start, "limit": PAGE_ROWS})
    seals = [Seal._make(row) for row in rows]
    found = await records.load(session, program_id, [Subject(seal.kind, seal.subject_id) for seal in seals])
    ids = {"program_id": program_id, "ids": texts([seal.subject_id for seal in seals])}
    span = {"program_id": program_id, "start": start, "stop": seals[-1].position + 1 if seals else NO_END}
    committed, notes = await run_together(session, (_COMMITMENTS, ids), (_NOTES, span))
    return _Page(seals, found, {row[0]: Commitment(*row[1:]) for row in committed}, [row[0] for row in notes])


class _Findings:
    """What became of one check so far: the first violations are named, in the order of the chain."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.checked = 0
        self._violations = 0
        self._examples: list[str] = []

    def violated(self, example: str) -> None:
        self._violations += 1
        if len(self._examples) < MAX_EXAMPLES:
            self._examples.append(example)

    def check(self) -> Check:
        return Check(self._name, self.checked, self._violations, tuple(self._examples))


class _Walk:
    """Goes along a chain once, and remembers no more of it than the last link and the tree's roots."""

    def __init__(self, program_id: str, keys: SigningKeys) -> None:
        self._position = 0  # of the seal that should come next
        self._program_id = program_id
        self._keys = keys
        self._link = first_link(program_id)
        self._tree = Tree()
        self._expected: dict[int, set[tuple[str, Checkpoint]]] = {}
        self._records = _Findings("I9 each record is what was sealed")
        self._links = _Findings("I9 each link of the chain follows from the one before")
        self._erased = _Findings("I9 each text that is gone was erased on record")
        self._checkpoints = _Findings("I9 each signed checkpoint is of this chain")

    def expect(self, notes: Iterable[str], where: str) -> None:
        """Compare the checkpoints in these notes when the walk comes to their sizes; others' are left aside."""
        for note in notes:
            try:
                checkpoint = self._keys.open(note)
            except NotAuthentic as error:
                self._checkpoints.checked += 1
                self._checkpoints.violated(f"{where}, {' '.join(note.splitlines()[:2])!r}: {error}")
                continue
            if checkpoint.program_id == self._program_id:
                self._expected.setdefault(checkpoint.size, set()).add((where, checkpoint))

    def check(self, page: _Page) -> None:
        """Check the next seals."""
        self.expect(page.notes, "stored")
        for seal in page.seals:
            self._records.checked += 1
            record, commitment = page.found.get(seal.subject_id), page.commitments.get(seal.subject_id)
            if fault := _fault(self._program_id, seal, record, commitment):
                self._records.violated(f"{seal.position}: {seal.subject_id} {fault}")
            if commitment and commitment.salt is None:
                self._erased.checked += 1
                if not commitment.erased:
                    self._erased.violated(f"{seal.position}: {seal.subject_id}")
            self._follow(seal)

    def end(self) -> list[Check]:
        """The findings; what is expected beyond the end was cut off."""
        for size, expected in sorted(self._expected.items()):
            for where, _ in sorted(expected, key=lambda one: one[0]):
                self._checkpoints.checked += 1
                self._checkpoints.violated(f"{size - 1}: the chain ends before, at {self._position} ({where})")
        found = self._records, self._links, self._erased, self._checkpoints
        return [findings.check() for findings in found]

    def _follow(self, seal: Seal) -> None:
        self._links.checked += 1
        if seal.position != self._position:
            self._links.violated(f"{self._position}: missing, {seal.position} comes next")
        elif link(self._link, seal.position, seal.digest) != seal.link:
            self._links.violated(f"{seal.position}: {seal.subject_id}")
        # What follows is judged by what is there, or everything after the first bad record would be bad.
        self._link = seal.link
        self._position = seal.position + 1
        self._tree.add(seal.digest)
        for where, checkpoint in self._expected.pop(self._position, ()):
            self._checkpoints.checked += 1
            if (checkpoint.root, checkpoint.head) != (self._tree.root(), seal.link):
                self._checkpoints.violated(f"{seal.position}: not the chain that was signed ({where})")


def _fault(program_id: str, seal: Seal, record: Record | None, commitment: Commitment | None) -> str | None:
    """What is wrong with a record, if anything is."""
    if record is None:
        return "is gone"
    if seal.version != VERSION:
        return f"was sealed in version {seal.version}, which is not known here"
    if commitment and not _kept(commitment, record.personal):
        return "has other texts"
    if digest(record.parts(program_id, commitment.digest if commitment else None), seal.salt) != seal.digest:
        return "is not what was sealed"
    return None


def _kept(commitment: Commitment, personal: Sequence[str | None]) -> bool:
    """Whether the texts are those that were committed to, or are forgotten together with their salt."""
    if commitment.salt is None:
        return not any(text and text != "{}" for text in personal)
    return commit(commitment.salt, personal) == commitment.digest
