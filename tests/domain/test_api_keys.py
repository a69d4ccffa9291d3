from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain import api_keys
from domain.api_keys import ApiKey
from domain.programs import ProgramKind
from domain.scopes import Scope

numbers = st.integers(min_value=0, max_value=api_keys.POSSIBLE - 1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.sampled_from(ProgramKind), numbers)
def test_every_key_that_is_written_is_well_formed(kind: ProgramKind, number: int) -> None:
    key = api_keys.write(kind, number)

    assert api_keys.is_well_formed(key)
    assert key.startswith("lrl_live_" if kind is ProgramKind.LIVE else "lrl_test_")


@given(numbers, st.integers(min_value=0, max_value=44), st.sampled_from("0aZ_-é "))
def test_one_mistyped_character_anywhere_is_noticed(number: int, place: int, typed: str) -> None:
    key = api_keys.write(ProgramKind.LIVE, number)
    mistyped = key[:place] + typed + key[place + 1 :]

    assert api_keys.is_well_formed(mistyped) == (mistyped == key)


@given(st.text(max_size=60))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert not api_keys.is_well_formed(text)


@given(numbers, numbers)
def test_different_numbers_make_different_keys(one: int, other: int) -> None:
    keys = {api_keys.write(ProgramKind.LIVE, number) for number in (one, other)}

    assert len(keys) == len({one, other})


def test_there_are_at_least_160_random_bits() -> None:
    assert api_keys.POSSIBLE >= 2**160


def test_what_is_shown_tells_nothing_of_the_rest() -> None:
    key = api_keys.write(ProgramKind.SANDBOX, 123456789)

    assert api_keys.shown(key) == "lrl_test_0000"


def _key(**values: datetime) -> ApiKey:
    return ApiKey("key_1", "prg_1", "CRM", "lrl_live_0000", frozenset({Scope.EVENTS_WRITE}), NOW, **values)


def test_a_key_is_valid_until_the_moment_it_expires() -> None:
    key = _key(expires_at=NOW + timedelta(days=1))

    assert key.valid_at(NOW + timedelta(hours=23))
    assert not key.valid_at(NOW + timedelta(days=1))


def test_a_revoked_key_is_not_valid() -> None:
    assert not _key(revoked_at=NOW).valid_at(NOW)
