"""Payloads are opaque in Temporal, and come back as they were."""

import os

import pytest
from temporalio.api.common.v1 import Payload

from storage.keyring import CannotOpen, Keyring
from workflows.codec import KEY_ID, EncryptingCodec

OLD, NEW = os.urandom(32), os.urandom(32)
SECRET = b'"a recipient"'


def payload() -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=SECRET)


async def test_a_payload_comes_back_with_its_metadata() -> None:
    codec = EncryptingCodec(Keyring({"old": OLD}, "old"))

    encoded = await codec.encode([payload(), payload()])

    assert await codec.decode(encoded) == [payload(), payload()]


async def test_the_encoded_payload_shows_only_the_name_of_the_key() -> None:
    codec = EncryptingCodec(Keyring({"old": OLD}, "old"))

    [encoded] = await codec.encode([payload()])

    assert dict(encoded.metadata) == {"encoding": b"binary/encrypted", KEY_ID: b"old"}
    assert SECRET not in encoded.SerializeToString()


async def test_a_new_key_encrypts_and_the_old_one_still_opens() -> None:
    [before] = await EncryptingCodec(Keyring({"old": OLD}, "old")).encode([payload()])
    rotated = EncryptingCodec(Keyring({"new": NEW, "old": OLD}, "new"))

    [after] = await rotated.encode([payload()])

    assert after.metadata[KEY_ID] == b"new"
    assert await rotated.decode([before, after]) == [payload(), payload()]


@pytest.mark.parametrize("keys", [{"other": NEW}, {"old": NEW}], ids=["unknown key", "another key of the same name"])
async def test_without_the_key_nothing_opens(keys: dict[str, bytes]) -> None:
    [encoded] = await EncryptingCodec(Keyring({"old": OLD}, "old")).encode([payload()])

    with pytest.raises(CannotOpen):
        await EncryptingCodec(Keyring(keys, next(iter(keys)))).decode([encoded])


async def test_what_was_written_in_clear_is_read_as_it_is() -> None:
    codec = EncryptingCodec(Keyring({"old": OLD}, "old"))

    assert await codec.decode([payload()]) == [payload()]
