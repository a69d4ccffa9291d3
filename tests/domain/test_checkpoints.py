"""Checkpoints are signed notes as C2SP describes them, and nothing else is believed."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.checkpoints import Checkpoint, NotAuthentic, SigningKeys, split, verifier_key

KEYS = SigningKeys({"k1": bytes(32)})
CHECKPOINT = Checkpoint("prg_1", 3, b"r" * 32, b"h" * 32, datetime(2026, 3, 4, 12, tzinfo=UTC))


def test_what_was_signed_is_read_again():
    assert KEYS.open(KEYS.sign(CHECKPOINT)) == CHECKPOINT


def test_the_note_has_the_form_that_other_tools_read():
    lines = KEYS.sign(CHECKPOINT).splitlines()

    assert lines[:3] == ["laurel/prg_1", "3", b64encode(b"r" * 32).decode()]
    assert lines[5] == ""
    mark, name, encoded = lines[6].split(" ")
    assert (mark, name) == ("\N{EM DASH}", "laurel/prg_1")
    assert len(b64decode(encoded)) == 4 + 64


def test_the_verifier_key_and_the_signature_name_the_same_key():
    name, key_hash, encoded = verifier_key("prg_1", KEYS.public["k1"]).split("+", 2)
    signature = b64decode(KEYS.sign(CHECKPOINT).split()[-1])

    assert (name, key_hash) == ("laurel/prg_1", signature[:4].hex())
    assert (
        b64decode(encoded) == b"\x01" + Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    )


def test_after_a_rotation_the_old_key_verifies_and_the_new_one_signs():
    rotated = SigningKeys({"k2": bytes([2]) * 32, "k1": bytes(32)})

    assert rotated.open(KEYS.sign(CHECKPOINT)) == CHECKPOINT
    with pytest.raises(NotAuthentic, match="no key that is known"):
        KEYS.open(rotated.sign(CHECKPOINT))


def test_a_signature_of_somebody_else_beside_ours_does_no_harm():
    other = "\N{EM DASH} witness.example/w1 AAAAAAAA\n"
    text, ours = KEYS.sign(CHECKPOINT).split("\n\n")

    assert KEYS.open(f"{text}\n\n{other}{ours}") == CHECKPOINT


NOTE = KEYS.sign(CHECKPOINT)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "hello",
        NOTE.replace("\n3\n", "\n4\n"),
        NOTE.replace("\n3\n", "\n03\n"),
        NOTE.replace("prg_1", "prg_2"),
        NOTE.replace("head ", "tail "),
        NOTE.replace("at 2026", "at 2027"),
        NOTE.split("\n\n")[0],
        NOTE.replace("\N{EM DASH} laurel/prg_1 ", "\N{EM DASH} laurel/prg_1 !"),
        "x" * 20_000,
    ],
)
def test_what_is_not_signed_is_not_believed(note: str):
    with pytest.raises(NotAuthentic):
        KEYS.open(note)


def test_an_exported_file_is_split_into_its_notes():
    later = KEYS.sign(Checkpoint("prg_2", 9, b"r" * 32, b"h" * 32, CHECKPOINT.at))

    assert split(f"{NOTE}\n{later}\n") == [NOTE, later]
    assert split("") == []


def test_keys_do_not_show_themselves():
    assert repr(KEYS) == "SigningKeys(k1; current k1)"
