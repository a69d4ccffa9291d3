"""Member tokens: what was signed is read again, and nothing else is."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.member_tokens import MARKER, MAX_LENGTH, MemberToken, TokenSigner, is_token

OLD, NEW = b"o" * 32, b"n" * 32
ENDS_AT = datetime(2026, 3, 4, 12, 15, tzinfo=UTC)
TOKEN = MemberToken("key_01a1fd1cfa630081c74091f5d2", "mem_01a1fd1cfa630081c74091f5d2", ENDS_AT)
SIGNER = TokenSigner({"new": NEW, "old": OLD})


def test_a_token_says_what_was_written_into_it() -> None:
    written = SIGNER.write(TOKEN)

    assert is_token(written)
    assert len(written) <= MAX_LENGTH
    assert SIGNER.read(written) == TOKEN


def test_a_token_may_stand_in_any_header() -> None:
    assert set(SIGNER.write(TOKEN)) <= {*string.ascii_letters, *string.digits, *"_-."}


def test_a_token_ends_at_the_very_instant() -> None:
    assert TOKEN.valid_at(ENDS_AT - timedelta(microseconds=1))
    assert not TOKEN.valid_at(ENDS_AT)


def test_tokens_of_a_secret_that_is_known_still_are_read_and_of_one_that_is_gone_not() -> None:
    written = TokenSigner({"old": OLD}).write(TOKEN)

    assert SIGNER.read(written) == TOKEN
    assert TokenSigner({"new": NEW}).read(written) is None


@given(st.integers(min_value=len(MARKER)), st.sampled_from(string.ascii_letters + string.digits + "_-."))
def test_a_token_with_another_character_anywhere_is_none(place: int, character: str) -> None:
    written = SIGNER.write(TOKEN)
    place = len(MARKER) + place % (len(written) - len(MARKER))
    changed = written[:place] + character + written[place + 1 :]

    found = SIGNER.read(changed)

    # The last character of base64 may have bits that mean nothing.
    assert found is None or found == TOKEN


@pytest.mark.parametrize("presented", ["", MARKER, MARKER + ".", MARKER + "a.b", MARKER + "ÿ.ÿ", MARKER + "a" * 10_000])
def test_what_is_no_token_is_none(presented: str) -> None:
    assert SIGNER.read(presented) is None
