"""Idempotency keys: a caller's name for one request, so that sending it twice does it once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`key` is the caller's; `scope` is who called what (credential, method, route); `fingerprint` the request's."""

    scope: str
    key: str
    fingerprint: bytes

    @property
    def name(self) -> tuple[str, str]:
        """What the key is known by in its program."""
        return self.scope, self.key

    def lock_id(self, program_id: str) -> int:
        """The advisory lock of this key, as PostgreSQL's bigint."""
        digest = hashlib.sha256("\0".join((program_id, *self.name)).encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class KeptOutcome:
    """What came of the request that first used a key, and that request's fingerprint."""

    fingerprint: bytes
    outcome: Mapping[str, Any]
