"""Boards on paper: what a standing places where, and what a member may see of it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.game import Board, Window
from domain.leaderboards import (
    MAX_POINTS,
    PARTS,
    Earned,
    Place,
    Placement,
    Ranking,
    Standing,
    began_on,
    cohort_in,
    last_day,
    newest_settled,
    numbered,
    percentile,
    place,
    placing,
    ranked,
    seen_from,
    settles_at,
    shape,
    tenure,
    worked,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
TODAY = date(2026, 3, 4)  # a Wednesday
instants = st.integers(0, 2**54).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
days = st.dates(date(2020, 1, 1), date(2035, 12, 31))


def standing(points: int = 50, *, week: int | None = None, listed: bool = True, **attributes: str) -> Standing:
    earned = {Window.LIFETIME: Earned(points, AT)}
    if week is not None:
        earned[Window.WEEK] = Earned(week, AT)
    return Standing("mem_1", "points", 1, earned, attributes, listed)


def scores(board: Board, one: Standing, today: date = TODAY) -> list[tuple[tuple[str, ...], int]]:
    return [(placed.ranking.cohort, placed.score) for placed in placing([board], today)(one)]


@given(instants, st.integers(1, MAX_POINTS), st.integers(1, 1_000))
def test_a_boards_entry_tells_its_place(at: datetime, points: int, rank: int) -> None:
    one = Standing("mem_x", "points", 1, {Window.LIFETIME: Earned(points, at)})
    [placed] = placing([Board("company", 1)], TODAY)(one)

    found = place(rank, placed.entry, placed.score)

    assert (found.rank, found.member_id, found.points, found.reached_at) == (rank, "mem_x", points, at)
    assert found.entry == placed.entry


@given(instants, instants)
def test_among_equals_the_earlier_entry_comes_first(one: datetime, other: datetime) -> None:
    first, second = (Place(1, "mem_1", 5, at).entry for at in (one, other))

    assert (first < second) == (one < other)


@pytest.mark.parametrize("nothing", [standing(0), standing(-5), standing(listed=False)])
def test_who_has_earned_nothing_or_is_not_listed_has_no_place(nothing: Standing) -> None:
    assert scores(Board("company", 1), nothing) == []


def test_a_board_by_attributes_has_a_ranking_for_each_combination() -> None:
    board = Board("both", 1, by=("department", "country"))

    assert scores(board, standing(department="Sales", country="DE")) == [(("Sales", "DE"), 50)]
    assert scores(board, standing(department="Sales")) == []


def test_another_unit_has_other_boards() -> None:
    assert scores(Board("thanks", 1, unit="thanks"), standing()) == []


def test_a_week_counts_what_was_earned_in_it() -> None:
    board = Board("week", 1, window=Window.WEEK)

    [placed] = placing([board], TODAY)(standing(500, week=30))

    assert (placed.score, placed.ranking.first_day) == (30, date(2026, 3, 2))
    assert scores(board, standing(500)) == []


def test_points_per_working_day_leave_out_weekends_and_absences() -> None:
    board = Board("fair", 1, window=Window.WEEK, per_working_day=True)
    present = standing(week=90)
    away = Standing("mem_1", "points", 1, present.earned, {}, absent=frozenset({date(2026, 3, 3)}))
    never = Standing("mem_1", "points", 1, present.earned, {}, absent=frozenset(date(2026, 3, n) for n in range(2, 5)))

    assert scores(board, present) == [((), 30 * PARTS)]
    assert scores(board, present, date(2026, 3, 8)) == [((), 18 * PARTS)]
    assert scores(board, away) == [((), 45 * PARTS)]
    assert scores(board, never) == []


@pytest.mark.parametrize(
    ("own", "country", "days"), [(None, None, 2), ("mon,tue,wed", None, 3), ("mon,tue,wed", "DE", 2), ("?", None, 2)]
)
def test_working_days_are_the_boards_or_the_members_own_without_holidays(
    own: str | None, country: str | None, days: int
) -> None:
    board, easter = Board("x", 1, working_days=("sun", "tue")), date(2026, 4, 6)
    one = Standing("mem_1", "points", 1, {}, {"country": country}, working_days=own)

    assert worked(board, easter, easter + timedelta(days=6), one) == days


def test_points_are_exact_to_the_bound_and_ranked_as_the_bound_beyond() -> None:
    assert scores(Board("company", 1), standing(MAX_POINTS + 7)) == [((), MAX_POINTS)]


@given(st.lists(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f"), min_size=1), max_size=3))
def test_a_rankings_name_tells_its_cohort(values: list[str]) -> None:
    by = ("department", "role", "country")[: len(values)]

    assert cohort_in(Ranking(Board("x", 1, by=by), tuple(values), TODAY).name) == tuple(values)


# -- Periods -------------------------------------------------------------------------------------------------------


@given(st.sampled_from([Window.WEEK, Window.MONTH]), days)
def test_a_period_holds_its_days_and_the_next_begins_after_it(window: Window, day: date) -> None:
    first = began_on(window, day)

    assert first is not None
    last = last_day(window, first)
    assert first <= day <= last
    assert began_on(window, last) == first
    assert began_on(window, last + timedelta(days=1)) == last + timedelta(days=1)


@given(st.sampled_from([Window.WEEK, Window.MONTH]), instants)
def test_the_newest_settled_period_has_ended_everywhere_and_the_next_has_not(window: Window, as_of: datetime) -> None:
    first = newest_settled(window, as_of)

    assert settles_at(window, first) <= as_of
    assert settles_at(window, last_day(window, first) + timedelta(days=1)) > as_of


def test_a_week_is_settled_when_it_has_ended_in_the_last_time_zone() -> None:
    assert settles_at(Window.WEEK, date(2026, 3, 2)) == datetime(2026, 3, 9, 12, tzinfo=UTC)
    assert settles_at(Window.MONTH, date(2026, 12, 1)) == datetime(2027, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hired_on", "band"),
    [
        (None, None),
        (date(2026, 9, 1), "0-1"),
        (date(2025, 3, 2), "0-1"),
        (date(2025, 3, 1), "1-3"),
        (date(2024, 2, 29), "1-3"),
        (date(2021, 3, 2), "3-5"),
        (date(2021, 3, 1), "5-10"),
        (date(1999, 1, 1), "10+"),
    ],
)
def test_tenure_is_a_band_that_changes_with_the_month(hired_on: date | None, band: str | None) -> None:
    assert tenure(hired_on, TODAY) == band
    assert tenure(hired_on, date(2026, 3, 31)) == band


@pytest.mark.parametrize(
    ("changed", "later", "differs"),
    [
        ({}, date(2027, 1, 1), False),
        ({"least_members": 6}, TODAY, True),
        ({"window": Window.WEEK}, date(2026, 3, 8), False),
        ({"window": Window.WEEK}, date(2026, 3, 9), True),
        ({"window": Window.MONTH, "per_working_day": True}, date(2026, 3, 5), True),
        ({"by": ("tenure",)}, date(2026, 3, 31), False),
        ({"by": ("tenure",)}, date(2026, 4, 1), True),
    ],
)
def test_boards_are_built_anew_when_definitions_or_their_time_are_others(
    changed: Mapping[str, Any], later: date, *, differs: bool
) -> None:
    board = Board("x", 1, **changed)
    before = Board("x", 1) if "least_members" in changed else board

    assert (shape([before], TODAY) != shape([board], later)) == differs


# -- What is seen --------------------------------------------------------------------------------------------------


def board_of(count: int) -> list[Place]:
    return [place(rank, f"{rank:016x}:mem_{rank}", 1_000 - rank) for rank in range(1, count + 1)]


@given(st.integers(1, 60), st.data())
def test_nobody_is_shown_as_last(count: int, data: st.DataObject) -> None:
    """Whoever looks from the last third sees what everybody there sees: nobody below, and no numbers there."""
    own = data.draw(st.integers(1, count))
    around = board_of(count)[max(own - 6, 0) : own + 5]

    seen = seen_from(own, count, around)

    below = [one for one in seen if one.member_id in {f"mem_{rank}" for rank in range(own + 1, count + 1)}]
    assert f"mem_{own}" in {one.member_id for one in seen}
    assert all(one.rank is None or one.rank < count for one in seen) or count == 1
    assert all(one.rank is not None for one in below)
    if own > numbered(count):
        assert below == []
        assert seen[-1].rank is None
        assert percentile(own, count) is None


@given(st.integers(2, 60))
def test_the_last_one_sees_what_the_same_rank_sees_with_others_below(count: int) -> None:
    """Who knows how many numbers a board of each size has must not find out by counting: 1, 2, and no third."""
    above = board_of(count)[max(count - 6, 0) :]

    longer = seen_from(count, count + 1, [*above, board_of(count + 1)[-1]])

    assert seen_from(count, count, above) == longer
    assert percentile(count, count) is percentile(count, count + 1) is None


@pytest.mark.parametrize(("rank", "count", "above"), [(1, 1, None), (1, 2, 50), (2, 2, None), (1, 3, 66), (2, 3, None)])
def test_a_percentile_needs_somebody_below_who_may_be_told(rank: int, count: int, above: int | None) -> None:
    assert percentile(rank, count) == above


def test_in_the_upper_two_thirds_places_have_their_numbers() -> None:
    seen = seen_from(10, 30, board_of(30)[4:15])

    assert [one.rank for one in seen] == list(range(5, 16))
    assert percentile(10, 30) == 66


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_ranks_are_dense_and_never_shared(given_: list[tuple[int, int]]) -> None:
    ranking = Ranking(Board("x", 1))
    placed = [Placement(ranking, points, f"{at:016x}:mem_{n}") for n, (points, at) in enumerate(given_)]

    places = ranked(placed)[ranking]

    assert [one.rank for one in places] == list(range(1, len(placed) + 1))
    assert places == sorted(places, key=lambda one: (-one.points, one.entry))
