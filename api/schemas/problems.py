"""Problems as documents (RFC 9457)."""

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """One fault of a request: where, and what."""

    pointer: str | None = Field(None, description="JSON pointer (RFC 6901) from the root of the body.")
    parameter: str | None = Field(None, description="The name of a path, query or header parameter.")
    detail: str


class ProblemDocument(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Where the code is explained, relative to the API.")
    title: str
    status: int
    code: str = Field(description="Stable for ever; see the table of codes.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    detail: str | None = None
    instance: str | None = None
    errors: list[Fault] | None = None


class ErrorDocument(BaseModel):
    """What a code means."""

    code: str
    status: int
    retryable: bool
    title: str
    meaning: str
