"""What a process says about itself."""

from typing import Literal

from api.schemas.base import Document


class Readiness(Document):
    """Whether the process can do its work, and what it found of each system that it needs."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, Literal["ok", "away", "migrations behind"]]


class Version(Document):
    """The version that runs here."""

    version: str
