"""Cursors: where a list goes on, as an opaque token that holds for one program, list and set of filters."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from api.problems import Problem

MAX_LENGTH = 500
PATTERN = rf"^[A-Za-z0-9_-]{{20,{MAX_LENGTH}}}$"
_MAC_BYTES = 16


class Cursors:
    """Writes and reads cursors; the keys are the deployment's, the first one signs, all of them verify."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = [hmac.digest(key, b"laurel cursors", hashlib.sha256) for key in keys.values()]

    def write(self, program_id: str, of: Sequence[Any], position: Sequence[Any]) -> str:
        """The token of a position in the list `of` (its name and filters)."""
        payload = orjson.dumps(position)
        return base64.urlsafe_b64encode(_mac(self._keys[0], program_id, of, payload) + payload).rstrip(b"=").decode()

    def read(self, program_id: str, of: Sequence[Any], token: str) -> list[Any]:
        """The position; raises Problem invalid_cursor unless this program, list and filters gave the token."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise Problem("invalid_cursor") from None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, program_id, of, payload)) for key in self._keys):
            raise Problem("invalid_cursor")
        position: list[Any] = orjson.loads(payload)
        return position


def _mac(key: bytes, program_id: str, of: Sequence[Any], payload: bytes) -> bytes:
    return hmac.digest(key, orjson.dumps([program_id, list(of)]) + b"\0" + payload, hashlib.sha256)[:_MAC_BYTES]
