"""API keys: how one is written, and what is known of one.

A key reads `lrl_live_` or `lrl_test_`, 30 random base62 characters (178 bits) and six that are the CRC32 of all before
them, the form that GitHub's tokens have: a typing error is told without asking anybody, and secret scanners find keys
with few false alarms. The kind of a program decides the marker. Only the digest of a key is kept.
"""

import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import datetime

from domain.programs import ProgramKind
from domain.scopes import Scope

RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
SHOWN_LENGTH = 13  # the marker and four random characters: enough to tell keys apart, of no use to a thief
POSSIBLE = 62**RANDOM_LENGTH

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MARKERS = {ProgramKind.LIVE: "lrl_live_", ProgramKind.SANDBOX: "lrl_test_"}
_FORM = re.compile(rf"lrl_(?:live|test)_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One integration's key, without the key itself; `prefix` is the part that is shown."""

    id: str
    program_id: str
    name: str
    prefix: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Whether it opens anything: not revoked and not expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def write(kind: ProgramKind, number: int) -> str:
    """The key that this random number below POSSIBLE makes."""
    body = _MARKERS[kind] + _base62(number, RANDOM_LENGTH)
    return body + _checksum(body)


def is_well_formed(key: str) -> bool:
    """Whether this could be a key at all; False means mistyped or cut, not revoked."""
    return _FORM.fullmatch(key) is not None and _checksum(key[:-CHECKSUM_LENGTH]) == key[-CHECKSUM_LENGTH:]


def shown(key: str) -> str:
    """The part of a key that may be shown."""
    return key[:SHOWN_LENGTH]


def digest(key: str) -> bytes:
    """What is kept of a key: SHA-256, enough because a key has more random bits than anybody can try."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
