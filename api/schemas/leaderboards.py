"""Leaderboards as they are shown."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.schemas.base import NAME_PATTERN, Document, PageQuery, Strict
from api.schemas.moments import Moment
from domain.game import Board, Window
from domain.leaderboards import Place
from storage.board_snapshots import Snapshot
from storage.ranks import Rank

KEY_PATTERN = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
BoardKey = Annotated[str, StringConstraints(max_length=64, pattern=f"^{KEY_PATTERN}$")]
BoardName = Annotated[str, StringConstraints(max_length=265, pattern=rf"^{KEY_PATTERN}(:{NAME_PATTERN[1:-1]})?$")]
CohortValue = Annotated[str, StringConstraints(max_length=200, pattern=NAME_PATTERN)]

_COHORT = "A value for each attribute that the board goes by, in that order."


class CohortQuery(PageQuery):
    """Whose board it is."""

    cohort: list[CohortValue] = Field([], max_length=6, description=_COHORT)


class AroundQuery(BaseModel):
    """Which board."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    board: BoardKey = Field("company", description="The board's key.")


class RankQuery(Moment):
    """Which board, and of which moment."""

    board: BoardKey = Field("company", description="The board's key.")


class ShownBody(Strict):
    """Whether a member has places on boards."""

    shown: bool


class ShownDocument(Document):
    """Whether a member may have places on boards; points are kept, and earned, all the same."""

    member_id: str
    shown: bool


class BoardDocument(Document):
    """A board as it is defined: one for each cohort that the attributes `by` make."""

    board: str
    title: str
    unit: str
    by: list[str]
    window: Window
    per_working_day: bool
    least_members: int = Field(description="Cohorts in which fewer have a place are not shown.")


class PlaceDocument(Document):
    """One line of a board; places are never shared: whoever got there first stands higher."""

    rank: int | None = Field(description="Null in the lower third of a board, and above it for who looks from there.")
    member_id: str
    name: str | None = Field(description="Null for a member who is no longer known.")
    points: int = Field(description="On boards per working day, thousandths of a point for each day.")
    reached_at: datetime


class NeighbourhoodDocument(Document):
    """A member's place with up to five above and five below; no places if the member has none.

    Nobody is shown as last: who is in the lower third sees only those above, and the upper ones see nobody there.
    """

    board: str
    member_id: str
    cohort: list[str] = Field(description=_COHORT)
    percentile: int | None = Field(description="Above how many percent; null in the lower third, and alone.")
    places: list[PlaceDocument]


class RankDocument(Document):
    """Where a member stood, counted from the ledger: everybody with more stood higher, or who was there before."""

    board: str
    member_id: str
    cohort: list[str]
    at: datetime
    known_at: datetime
    first_day: date | None = Field(description="Of the board's period; null for a lifetime.")
    points: int
    rank: int | None = Field(description="Null without a place.")
    members: int = Field(description="How many had a place.")
    reached_at: datetime | None = Field(
        description="When the last of the points came; who had them first stands higher."
    )
    tied: int = Field(description="How many others had as many points.")
    above: PlaceDocument | None = Field(description="The next higher place; null for the first, and without a place.")
    reason: str | None = Field(description="Without a place: why.")


class SnapshotDocument(Document):
    """A period of a board that has ended everywhere: its places do not change any more."""

    board: str
    window: Window
    first_day: date
    configuration: int
    places: int
    settled_at: datetime


def board_document(board: Board) -> dict[str, Any]:
    """A board as BoardDocument."""
    shown = {name: getattr(board, name) for name in BoardDocument.model_fields if name != "board"}
    return shown | {"board": board.key, "by": list(board.by)}


def place_documents(places: Sequence[Place], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Places as PlaceDocument."""
    shown = ("rank", "member_id", "points", "reached_at")
    return [{name: getattr(place, name) for name in shown} | {"name": names.get(place.member_id)} for place in places]


_RANK = ("member_id", "at", "known_at", "points", "rank", "members", "reached_at", "tied", "reason")


def rank_document(found: Rank, names: Mapping[str, str]) -> dict[str, Any]:
    """A rank as RankDocument; `names` are the members' who are shown."""
    ranking = found.ranking
    where = {"board": ranking.board.key, "cohort": list(ranking.cohort), "first_day": ranking.first_day}
    [above] = place_documents([found.above], names) if found.above else [None]
    return where | {name: getattr(found, name) for name in _RANK} | {"above": above}


def snapshot_document(found: Snapshot) -> dict[str, Any]:
    """A settled period as SnapshotDocument."""
    return {name: getattr(found, name) for name in SnapshotDocument.model_fields}
