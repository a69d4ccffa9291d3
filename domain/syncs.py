"""Syncs: runs that read what an outside system has, page by page, from where the last one has got to."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

# A full run at least so often: what no notice told of, and no change was listed for, is put right by it.
FULL_EVERY = timedelta(days=1)
# Their clock may be behind ours by so much; what is read twice changes nothing.
CLOCKS_DIFFER = timedelta(minutes=10)
# What is read by days is read so many at once, unless that is more than an answer carries.
WINDOW_DAYS = 31


class Stage(StrEnum):
    """What a page reads; the order in which a run goes through them."""

    EVERYBODY = "everybody"
    CHANGED = "changed"
    TIME_OFF = "time_off"
    HOLIDAYS = "holidays"


@dataclass(frozen=True, slots=True)
class Sync:
    """The connection whose system is read."""

    program_id: str
    connection_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class SyncCursor:
    """How far a connection was read: whatever changed before `changed_at` is known here."""

    changed_at: datetime
    full_at: datetime
    synced_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next page begins: in which stage, and there after what (None: at its beginning)."""

    stage: Stage
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """So many days that are read at once, from the first on; as text it is a place."""

    first: date
    days: int = WINDOW_DAYS

    @classmethod
    def at(cls, place: str) -> "Window":
        """The window that begins at the place; of WINDOW_DAYS if it says nothing else."""
        first, _, days = place.partition("/")
        return cls(date.fromisoformat(first), int(days or WINDOW_DAYS))

    def __str__(self) -> str:
        return f"{self.first}/{self.days}"

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    @property
    def shorter(self) -> "Window":
        """The first half of it."""
        return replace(self, days=self.days // 2)

    @property
    def following(self) -> "Window":
        """The one after it; a window that was shortened grows again."""
        return Window(self.first + timedelta(days=self.days), min(self.days * 2, WINDOW_DAYS))


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What a run reads: everything, or what changed since; `latest` is the latest change that it has seen."""

    sync: Sync
    as_of: datetime
    since: datetime | None
    place: Place | None
    latest: datetime | None = None
    done: int = 0

    @property
    def is_full(self) -> bool:
        return self.since is None

    def after(self, page: "PageSynced") -> "SyncPlan":
        """The plan once this page is read."""
        latest = max((one for one in (self.latest, page.latest) if one), default=None)
        return replace(self, place=page.place, latest=latest, done=self.done + page.done)


@dataclass(frozen=True, slots=True)
class PageSynced:
    """What a page came to: how many records were taken, and where the next one begins (None: the run is over)."""

    done: int
    place: Place | None
    latest: datetime | None = None


def begin(sync: Sync, cursor: SyncCursor | None, *, full: bool, as_of: datetime) -> SyncPlan:
    """A run reads everything if asked to, the first time, and once in FULL_EVERY; else what changed."""
    if full or cursor is None or as_of - cursor.full_at >= FULL_EVERY:
        return SyncPlan(sync, as_of, None, Place(Stage.EVERYBODY))
    return SyncPlan(sync, as_of, cursor.changed_at, Place(Stage.CHANGED))


def end(plan: SyncPlan, cursor: SyncCursor | None) -> SyncCursor:
    """How far the connection is read once the plan is done. It never goes back.

    A run of everybody does not hear of who was deleted: after it, changes are read from where they were read to before.
    """
    if cursor is None:
        return SyncCursor(plan.as_of - CLOCKS_DIFFER, plan.as_of, plan.as_of)
    if plan.is_full:
        return replace(cursor, full_at=plan.as_of, synced_at=plan.as_of)
    changed_at = max(plan.latest or cursor.changed_at, cursor.changed_at)
    return SyncCursor(changed_at, cursor.full_at, max(plan.as_of, cursor.synced_at))
