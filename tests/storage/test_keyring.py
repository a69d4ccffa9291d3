import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.keyring import CannotOpen, Keyring, binding

OLD, NEW = bytes(32), bytes(range(32))
ROW = binding("prg_1", "con_1")


def test_from_setting_takes_the_first_key_as_current() -> None:
    keyring = Keyring.from_setting({"new": NEW, "old": OLD})

    assert keyring.seal(b"secret", ROW).key_id == "new"


@given(st.binary(max_size=1_000), st.binary(max_size=100))
def test_what_was_sealed_opens_for_the_same_row(plain: bytes, bound_to: bytes) -> None:
    keyring = Keyring({"a": NEW}, "a")

    sealed = keyring.seal(plain, bound_to)

    assert keyring.open(sealed.key_id, sealed.ciphertext, bound_to) == plain


def test_a_sealed_text_does_not_open_for_another_row() -> None:
    keyring = Keyring({"a": NEW}, "a")
    sealed = keyring.seal(b"secret", ROW)

    with pytest.raises(CannotOpen):
        keyring.open(sealed.key_id, sealed.ciphertext, binding("prg_1", "con_2"))


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_anywhere_does_not_open(place: int, flip: int) -> None:
    keyring = Keyring({"a": NEW}, "a")
    sealed = keyring.seal(b"secret", ROW)
    changed = bytearray(sealed.ciphertext)
    changed[place % len(changed)] ^= flip

    with pytest.raises(CannotOpen):
        keyring.open("a", bytes(changed), ROW)


@pytest.mark.parametrize("ciphertext", [b"", b"short", bytes(12)])
def test_what_is_too_short_to_be_sealed_does_not_open(ciphertext: bytes) -> None:
    with pytest.raises(CannotOpen):
        Keyring({"a": NEW}, "a").open("a", ciphertext, ROW)


def test_a_retired_key_opens_while_it_is_known_and_not_after() -> None:
    sealed = Keyring({"old": OLD}, "old").seal(b"secret", ROW)
    rotating = Keyring.from_setting({"new": NEW, "old": OLD})

    opened = rotating.open(sealed.key_id, sealed.ciphertext, ROW)

    assert opened == b"secret"
    with pytest.raises(CannotOpen, match="no key is named 'old'"):
        Keyring.from_setting({"new": NEW}).open(sealed.key_id, sealed.ciphertext, ROW)


def test_the_same_text_is_sealed_differently_each_time() -> None:
    keyring = Keyring({"a": NEW}, "a")

    assert keyring.seal(b"secret", ROW) != keyring.seal(b"secret", ROW)


def test_keys_never_show() -> None:
    keyring = Keyring({"a": b"k" * 32}, "a")

    assert repr(keyring) == "Keyring(a; current a)"
    assert "kkkk" not in str(vars(keyring))


@pytest.mark.parametrize(("keys", "current"), [({"a": NEW}, "b"), ({"a": b"short"}, "a"), ({}, "a")])
def test_a_keyring_needs_whole_keys_and_a_current_one(keys: dict[str, bytes], current: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys, current)
