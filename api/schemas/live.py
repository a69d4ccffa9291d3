"""Live balances as callers ask for them."""

from pydantic import BaseModel, ConfigDict

from api.schemas.account_statements import UNIT
from api.schemas.base import Key


class StreamQuery(BaseModel):
    """Of which unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Key = UNIT
