"""What is made up is a function of the seed, in the order in which it is told."""

from collections import Counter
from dataclasses import replace

from domain.absences import AbsenceChange
from simulation.company import Company, Employed, Sent, lives

FIELDS = {"deal.won": ("amount_minor", "currency"), "course.completed": ("course",), "survey.submitted": ()}
COMPANY = Company(FIELDS, members=60, months=3, seed=7)


def test_the_same_seed_makes_the_same_company_and_another_one_another() -> None:
    assert list(lives(COMPANY)) == list(lives(COMPANY))
    assert list(lives(COMPANY)) != list(lives(replace(COMPANY, seed=8)))


def test_a_larger_company_holds_the_smaller_one() -> None:
    of_ten = [told for told in lives(COMPANY) if told.member < "m00010"]

    assert of_ten == list(lives(replace(COMPANY, members=10)))


def test_all_is_told_in_order_and_after_it_has_happened() -> None:
    told = list(lives(COMPANY))

    assert [one[:4] for one in told] == sorted(one[:4] for one in told)
    assert all(one.what.event.occurred_at < one.at for one in told if isinstance(one.what, Sent))


def test_there_is_everything_that_is_hard() -> None:
    """Late events, corrections, retractions before and after, people whom the payroll does not know yet, absences."""
    seen: Counter[str] = Counter()
    known: set[str] = set()
    told_before: set[str] = set()
    for one in lives(COMPANY):
        if isinstance(one.what, Employed):
            seen["a change of a member" if one.member in known else "a new member"] += 1
            known.add(one.member)
        elif isinstance(one.what, AbsenceChange):
            late = one.what.away is not None and one.what.away.starts_on < one.at.date()
            seen["an absence entered late" if late else "an absence"] += 1
        elif isinstance(one.what, Sent):
            event = one.what.event
            seen["an event of nobody known"] += one.member not in known
            seen["a late event"] += (one.at - event.occurred_at).days > 0
            seen["a correction"] += event.source_version == 2
            if event.retracts is not None:
                seen["a retraction" if event.retracts in told_before else "a retraction before its deal"] += 1
            told_before.add(event.external_id)

    assert set(seen) == {
        "a new member", "a change of a member", "an absence", "an absence entered late", "an event of nobody known",
        "a late event", "a correction", "a retraction", "a retraction before its deal",
    }  # fmt: skip
    assert all(seen.values())


def test_only_declared_types_happen_and_only_declared_data_is_told() -> None:
    sent = [one.what.event for one in lives(COMPANY) if isinstance(one.what, Sent)]

    assert {event.type for event in sent} == set(FIELDS)
    assert all(set(event.data) <= set(FIELDS[event.type]) for event in sent)
