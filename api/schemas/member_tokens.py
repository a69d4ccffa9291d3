"""Member tokens as they are asked for and given out."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from api.schemas.base import Document, Strict, whole
from domain.member_tokens import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS


class MemberTokenBody(Strict):
    """How long a token is good for."""

    seconds: Annotated[
        int, Field(ge=MIN_SECONDS, le=MAX_SECONDS, description="Until it ends."), BeforeValidator(whole)
    ] = DEFAULT_SECONDS


class MemberTokenDocument(Document):
    """A token, which is kept nowhere and shown only now."""

    token: str = Field(description="For `Authorization: Bearer`.")
    member_id: str
    expires_at: datetime
