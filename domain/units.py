"""Units: when value of a unit lapses, the periods of allowances, and how an amount is shown to people.

An amount is a whole number of the unit's smallest part, everywhere but in what `shown` gives.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from domain.configuration import POINTS, Calendar, Configuration, ExpiryPolicy, Unit, UnitKind
from domain.ledger import Policy
from domain.time import zone

# ISO 4217's currencies whose smallest part is not a hundredth, by the exponent of ten.
_EXPONENTS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MONTHS = {Calendar.MONTH: 1, Calendar.QUARTER: 3, Calendar.YEAR: 12}


def exponent_of(currency: str) -> int:
    """How many digits of an amount in minor units are the fraction: 2 for USD, 0 for JPY."""
    return next((exponent for exponent, codes in _EXPONENTS.items() if currency in codes.split()), 2)


def expires_at(unit: Unit, granted_at: datetime, time_zone: str) -> datetime | None:
    """When value lapses that is granted now, unless its award says so itself; None while nobody can tell, or never."""
    expiry = unit.expiry
    if expiry.policy is ExpiryPolicy.FIXED:
        return expiry.at
    if expiry.policy is ExpiryPolicy.ROLLING:
        assert expiry.days is not None
        return granted_at + timedelta(days=expiry.days)
    if expiry.policy is ExpiryPolicy.END_OF_PERIOD:
        assert expiry.per is not None
        return begins_at(period_of(expiry.per, granted_at, time_zone)[1], time_zone)
    return None


def period_of(calendar: Calendar, at: datetime, time_zone: str) -> tuple[date, date]:
    """The first day of the period that holds the instant in the zone, and the first day of the next."""
    day = at.astimezone(zone(time_zone)).date()
    if calendar is Calendar.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    months = _MONTHS[calendar]
    first = day.replace(month=day.month - (day.month - 1) % months, day=1)
    return first, _month(first.year, first.month + months)


def begins_at(day: date, time_zone: str) -> datetime:
    """The instant at which a day begins in the zone."""
    return datetime.combine(day, time(), zone(time_zone)).astimezone(UTC)


def policies(configuration: Configuration) -> Mapping[str, Policy]:
    """What the ledger must know of the declared units."""
    return {
        key: Policy(unit.debt, timedelta(days=unit.renew_days) if unit.renew_days else None)
        for key, unit in configuration.units.items()
    }


def rescaled(before: Mapping[str, Unit], after: Mapping[str, Unit]) -> set[str]:
    """The units that are gone, or in which an amount means something else."""
    old, new = ({POINTS.key: POINTS, **units} for units in (before, after))
    return {key for key, unit in old.items() if key not in new or _scale(new[key]) != _scale(unit)}


def shown(unit: Unit, amount: int) -> str:
    """The amount for people: "25.00 USD", "120 points"."""
    whole, part = divmod(abs(amount), 10**unit.exponent)
    fraction = f".{part:0{unit.exponent}}" if unit.exponent else ""
    name = unit.currency if unit.kind is UnitKind.MONEY else unit.key
    return f"{'-' if amount < 0 else ''}{whole:,}{fraction} {name}"


def _month(year: int, month: int) -> date:
    """The first of a month; the thirteenth is the next year's first."""
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def _scale(unit: Unit) -> tuple[UnitKind, str, int]:
    return unit.kind, unit.currency, unit.exponent
