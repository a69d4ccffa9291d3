"""Leaderboards as they are shown."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Document
from domain.leaderboards import Place


class PlaceDocument(Document):
    """One line of a board; places are never shared: whoever got there first stands higher."""

    rank: int
    member_id: str
    name: str | None = Field(description="Null for a member who is no longer known.")
    points: int
    reached_at: datetime


class NeighbourhoodDocument(Document):
    """A member's place with up to five above and five below; no places if the member has earned nothing."""

    board: str
    member_id: str
    places: list[PlaceDocument]


def place_documents(places: Sequence[Place], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Places as PlaceDocument."""
    shown = ("rank", "member_id", "points", "reached_at")
    return [{name: getattr(place, name) for name in shown} | {"name": names.get(place.member_id)} for place in places]
