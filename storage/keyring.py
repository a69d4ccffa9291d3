"""Secrets at rest: AES-256-GCM under one of several keys, each ciphertext bound to the row that it belongs to.

A sealed text moved to another row, or changed by a bit, does not open. Keys are named: the current one seals, every
known one opens, so a new key is put in front, rows are sealed again, and only then the old key is taken away. Nonces
are 96 random bits, so one key should seal at most 2^32 texts (NIST SP 800-38D section 8.3).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class CannotOpen(Exception):
    """The key is not known, or this is not what was sealed with it for this row; says nothing of what is inside."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext (the nonce first, the tag last) and the name of the key that opens it."""

    key_id: str
    ciphertext: bytes


def binding(program_id: str, row_id: str) -> bytes:
    """What a secret of a row is bound to."""
    return f"{program_id}/{row_id}".encode()


class Keyring:
    """The deployment's keys by name; never shown by repr."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        if current not in keys:
            raise ValueError(f"the current key {current!r} is not among the keys")
        if wrong := [key_id for key_id, key in keys.items() if len(key) != KEY_BYTES]:
            raise ValueError(f"keys of other than {KEY_BYTES} bytes: {', '.join(wrong)}")
        self.current = current
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    @classmethod
    def from_setting(cls, keys: Mapping[str, bytes]) -> Self:
        """The keys as the settings give them: the first one is current."""
        return cls(keys, next(iter(keys)))

    def seal(self, plain: bytes, bound_to: bytes) -> Sealed:
        """Encrypt under the current key; the same text never gives the same ciphertext twice."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(self.current, nonce + self._ciphers[self.current].encrypt(nonce, plain, bound_to))

    def open(self, key_id: str, ciphertext: bytes, bound_to: bytes) -> bytes:
        """What was sealed for `bound_to` under the named key; raises CannotOpen."""
        if key_id not in self._ciphers:
            raise CannotOpen(f"no key is named {key_id!r}")
        nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
        try:
            return self._ciphers[key_id].decrypt(nonce, sealed, bound_to)
        except (InvalidTag, ValueError):
            raise CannotOpen(f"not what was sealed here under key {key_id!r}") from None

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)}; current {self.current})"
