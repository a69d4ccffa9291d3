"""Notices: incoming webhook requests, each about one object of an outside system, and what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Matters(StrEnum):
    """Whether a notice is worth asking the other system about its object."""

    ALWAYS = "always"
    IF_KNOWN = "if_known"  # only if its object has given us a fact, or is being asked about already
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Notice:
    """One incoming notice: `notice_key` is the same however often it is sent, `object_id` is what it is about."""

    notice_key: str
    object_id: str
    kind: str
    occurred_at: datetime
    matters: Matters
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectToFetch:
    """Something at an outside system that has changed; `kind` is the connection's."""

    program_id: str
    connection_id: str
    object_id: str
    kind: str

    @property
    def activity_id(self) -> str:
        """One at a time per object, so that many notices make one request."""
        return f"fetch/{self.connection_id}/{self.object_id}"
