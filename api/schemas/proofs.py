"""Proofs as callers ask for them and read them."""

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import Document, Key, TransactionId


class ProofQuery(BaseModel):
    """Which line of the member's statement: a transaction, a transfer of it, and the account's unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transaction_id: TransactionId
    n: int = Field(1, ge=1, le=2**31 - 1, description="Which transfer of the transaction, as the statement says.")
    unit: Key = Field("points", description="A unit of the program.")


class PartDocument(Document):
    """One part of what was sealed: shown, with salt and fields, or hidden behind its hash. Bytes are base64."""

    salt: str | None = None
    fields: list[str | int | None] | None = None
    hash: str | None = None


class ProofDocument(Document):
    """What docs/verify_proof.py reads, and verifies by the program's public key."""

    format: str
    parts: list[PartDocument] = Field(description="In order. Two are shown: the transaction, and the member's entry.")
    index: int = Field(description="Where in the chain.")
    path: list[str] = Field(description="RFC 6962's inclusion path, the nearest sibling first.")
    checkpoint: str = Field(description="A signed note of C2SP: origin, size, root, last link, instant, signature.")
