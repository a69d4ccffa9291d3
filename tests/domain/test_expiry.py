"""Programs take turns, and each does its duties in their order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.expiry import ORDER, Due, Duty, Turns

# By program, how many pages each of its duties takes.
pages = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.dictionaries(st.sampled_from(ORDER), st.integers(1, 4), min_size=1)
)


def taken(work: dict[str, dict[Duty, int]]) -> list[Due]:
    turns = Turns(Due(program, duty) for program in sorted(work) for duty in sorted(work[program], key=ORDER.index))
    done = []
    while turns:
        due = turns.current
        page = int(due.after or 0) + 1
        done.append(due)
        turns.take(str(page) if page < work[due.program_id][due.duty] else None)
    return done


@given(pages)
def test_every_page_is_taken_once_and_duties_come_in_their_order(work: dict[str, dict[Duty, int]]):
    done = taken(work)

    for program, duties in work.items():
        own = [(due.duty, due.after) for due in done if due.program_id == program]
        assert own == [
            (duty, str(page or "")) for duty in sorted(duties, key=ORDER.index) for page in range(duties[duty])
        ]


@given(pages)
def test_nobody_waits_for_more_than_one_page_of_each_other(work: dict[str, dict[Duty, int]]):
    done = [due.program_id for due in taken(work)]

    for program in work:
        places = [place for place, one in enumerate(done) if one == program]
        assert all(later - earlier <= len(work) for earlier, later in pairwise(places))


def test_a_program_that_fails_is_left_to_the_next_run():
    turns = Turns([Due("a", Duty.LOTS), Due("a", Duty.WARNINGS), Due("b", Duty.LOTS)])

    turns.give_up()

    assert turns.left == [Due("b", Duty.LOTS)]
