"""Live balances as callers ask for them."""

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.account_statements import UNIT
from api.schemas.base import INT64_MAX, Key


class StreamQuery(BaseModel):
    """Of which unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Key = UNIT


class SocketQuery(StreamQuery):
    """Of which unit, and what the caller has: a browser's WebSocket sends no headers."""

    last_event_id: int | None = Field(None, ge=0, le=INT64_MAX, description="The last `id` that the caller has.")
