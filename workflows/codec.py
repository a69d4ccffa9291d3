"""Payloads as Temporal keeps them: encrypted, with the name of the key beside them.

Everything that a history shows passes through here: arguments, results, summaries, details, failures. What was written
in clear (recorded histories, another tool's dump) is read as it is.
"""

from collections.abc import Iterable

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from storage.keyring import Keyring

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"

# The web UI decodes payloads without saying where it found them, so they are bound to their use alone.
BOUND_TO = b"temporal-payload"


class EncryptingCodec(PayloadCodec):
    """Seals with the keyring's current key, opens with any it knows; raises CannotOpen."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        sealed = self._keyring.seal(payload.SerializeToString(), BOUND_TO)
        metadata = {"encoding": ENCODING, KEY_ID: sealed.key_id.encode()}
        return Payload(metadata=metadata, data=sealed.ciphertext)

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        return Payload.FromString(self._keyring.open(key_id, payload.data, BOUND_TO))
