"""When value lapses, which period a moment belongs to, and how people read an amount."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.configuration import Calendar, Configuration, Expiry, ExpiryPolicy, Unit, UnitKind
from domain.ledger import Policy
from domain.units import begins_at, expires_at, exponent_of, period_of, policies, rescaled, shown

NOW = datetime(2027, 1, 31, 23, 30, tzinfo=UTC)
PERIODS = [
    (Calendar.WEEK, date(2027, 1, 25), date(2027, 2, 1)),
    (Calendar.MONTH, date(2027, 1, 1), date(2027, 2, 1)),
    (Calendar.QUARTER, date(2027, 1, 1), date(2027, 4, 1)),
    (Calendar.YEAR, date(2027, 1, 1), date(2028, 1, 1)),
]
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Kiritimati"])
moments = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(("calendar", "first", "next_"), PERIODS, ids=[calendar for calendar, _, _ in PERIODS])
def test_a_period_is_the_calendars_in_the_zone(calendar: Calendar, first: date, next_: date) -> None:
    assert period_of(calendar, NOW, "UTC") == (first, next_)


def test_a_new_period_has_begun_east_of_greenwich() -> None:
    assert period_of(Calendar.MONTH, NOW, "Europe/Berlin") == (date(2027, 2, 1), date(2027, 3, 1))


@given(st.sampled_from(Calendar), moments, zones)
def test_periods_follow_each_other_without_a_gap(calendar: Calendar, at: datetime, time_zone: str) -> None:
    first, next_ = period_of(calendar, at, time_zone)

    assert begins_at(first, time_zone) <= at < begins_at(next_, time_zone)
    assert period_of(calendar, begins_at(next_, time_zone), time_zone)[0] == next_


EXPIRIES = [
    (Expiry(), None),
    (Expiry(ExpiryPolicy.INACTIVITY, days=90), None),
    (Expiry(ExpiryPolicy.FIXED, at=datetime(2027, 12, 31, tzinfo=UTC)), datetime(2027, 12, 31, tzinfo=UTC)),
    (Expiry(ExpiryPolicy.ROLLING, days=90), NOW + timedelta(days=90)),
    (Expiry(ExpiryPolicy.END_OF_PERIOD, per=Calendar.MONTH), datetime(2027, 2, 1, 8, tzinfo=UTC)),
]


@pytest.mark.parametrize(("expiry", "lapses"), EXPIRIES, ids=[expiry.policy for expiry, _ in EXPIRIES])
def test_value_lapses_as_its_unit_says(expiry: Expiry, lapses: datetime | None) -> None:
    assert expires_at(Unit("kudos", 1, expiry=expiry), NOW, "America/Los_Angeles") == lapses


def test_the_ledger_learns_who_may_owe_and_what_is_renewed() -> None:
    units = {"kudos": Unit("kudos", 1, debt=False), "miles": Unit("miles", 1, renew_days=30)}

    assert policies(Configuration("prg_1", 1, units=units)) == {
        "kudos": Policy(may_owe=False),
        "miles": Policy(renewed_for=timedelta(days=30)),
    }


@pytest.mark.parametrize(
    ("unit", "amount", "text"),
    [
        (Unit("points", 0), 12_345, "12,345 points"),
        (Unit("cashback", 1, kind=UnitKind.MONEY, currency="USD", exponent=2), 2_500, "25.00 USD"),
        (Unit("cashback", 1, kind=UnitKind.MONEY, currency="USD", exponent=2), -7, "-0.07 USD"),
        (Unit("cashback", 1, kind=UnitKind.MONEY, currency="JPY"), 2_500, "2,500 JPY"),
        (Unit("miles", 1, exponent=1), 15, "1.5 miles"),
    ],
)
def test_people_read_an_amount_in_whole_units(unit: Unit, amount: int, text: str) -> None:
    assert shown(unit, amount) == text


@pytest.mark.parametrize(("currency", "exponent"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_a_currency_has_the_exponent_of_the_standard(currency: str, exponent: int) -> None:
    assert exponent_of(currency) == exponent


def test_what_is_gone_or_counts_something_else_is_told() -> None:
    before = {"miles": Unit("miles", 1), "kudos": Unit("kudos", 1), "eur": Unit("eur", 1, currency="EUR", exponent=2)}
    after = {"kudos": Unit("kudos", 2, title="Thanks"), "eur": Unit("eur", 2, currency="USD", exponent=2)}

    assert rescaled(before, after) == {"miles", "eur"}


def test_points_are_there_before_they_are_declared() -> None:
    assert rescaled({}, {"points": Unit("points", 1, exponent=2)}) == {"points"}
    assert rescaled({}, {"points": Unit("points", 1, debt=False)}) == set()
