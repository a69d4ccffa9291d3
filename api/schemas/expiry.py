"""Expiry runs as they are told."""

from datetime import datetime

from pydantic import Field

from api.schemas.base import Document


class DutiesDocument(Document):
    """How much was done of each duty."""

    holds: int = Field(description="Holds that were given back, having run out.")
    promises: int = Field(description="Promised values that were made available.")
    refills: int = Field(description="Allowances that were granted anew.")
    idle: int = Field(description="Lots that expired by inactivity.")
    lots: int = Field(description="Lots that expired.")
    warnings: int = Field(description="Warnings that were given.")


class ExpiryRunDocument(Document):
    """What a run did; one that is not finished leaves the rest to the next."""

    as_of: datetime
    done: DutiesDocument
    finished: bool
