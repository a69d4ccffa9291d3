from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.leaderboards import Standing, place

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
instants = st.integers(0, 2**54).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
standings = st.builds(
    Standing,
    member_id=st.from_regex(r"mem_[a-v0-9]{4}", fullmatch=True),
    unit=st.just("points"),
    points=st.integers(0, 2**53 - 1),
    reached_at=instants,
    version=st.integers(1, 2**40),
    department=st.none() | st.text(min_size=1, max_size=5),
    listed=st.booleans(),
)


@given(standings)
def test_a_standing_survives_the_outbox(standing: Standing) -> None:
    assert Standing.from_payload(standing.as_payload()) == standing


@given(standings, st.integers(1, 1_000))
def test_a_boards_entry_tells_its_place(standing: Standing, rank: int) -> None:
    found = place(rank, standing.entry, standing.points)

    assert (found.rank, found.member_id, found.points) == (rank, standing.member_id, standing.points)
    assert found.reached_at == standing.reached_at
    assert found.entry == standing.entry


@given(instants, instants)
def test_among_equals_the_earlier_entry_comes_first(one: datetime, other: datetime) -> None:
    first, second = (Standing("mem_1", "points", 5, at, 1).entry for at in (one, other))

    assert (first < second) == (one < other)


def test_who_has_left_or_has_nothing_has_no_place() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)

    assert Standing("mem_1", "points", 1, now, 1).ranks
    assert not Standing("mem_1", "points", 1, now, 1, listed=False).ranks
    assert not Standing("mem_1", "points", 0, now, 1).ranks
    assert not Standing("mem_1", "points", -5, now + timedelta(days=1), 1).ranks
