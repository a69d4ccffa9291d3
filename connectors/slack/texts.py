"""Texts: our words and everybody's numbers and dates in one person's language.

A message is known by its English sentence. What is said in German and French is in `locales`, and a test finds what is
not; whoever speaks another language is spoken to in English.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, format_timedelta, get_day_names
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

from connectors.slack.markup import Markup, markup
from domain.configuration import POINTS, Unit
from domain.sentences import Amount, Listed, Moment, Sentence, Value
from domain.time import zone

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "slack"
TRANSLATED = ("de", "fr")
_ENGLISH = Locale("en", "US")
_MAX_LOCALES = 200  # kept: Slack has some forty


def later(message: str) -> str:
    """Marks a message that a table keeps and `say` says later."""
    return message


class Texts:
    """What is said in one locale. Values are put in for {names}: numbers and days as the locale writes them.

    What is said with markup among its values is markup; then the others are escaped.
    """

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self._translations = _translations(locale.language)

    @staticmethod
    def of(locale: str | None) -> "Texts":
        """The texts for a locale as Slack names it (de-DE), in English if it has none that we speak."""
        return _texts(locale or "")

    def say(self, message: str, /, **values: Value) -> str:
        """The message in this language."""
        return self._filled(self._translations.gettext(message), values)

    def count(self, singular: str, plural: str, n: int, /, **values: Value) -> str:
        """One of the messages, as n asks for in this language; {n} is the number."""
        return self._filled(self._translations.ngettext(singular, plural, n), values | {"n": n})

    def written(self, value: Value) -> str:
        """A value, or a sentence of values, in this language; texts stand as they are."""
        match value:
            case str():
                return value
            case int():
                return self.number(value)
            case Moment(at, time_zone):
                return self.instant(at, time_zone)
            case date():
                return self.date(value)
            case Amount(n, unit):
                return self.amount(n, unit)
            case Listed(values):
                return self.listed(self.written(one) for one in values)
            case Sentence(text, values, plural, n):
                return self.say(text, **values) if plural is None else self.count(text, plural, n, **values)

    def number(self, n: float | Decimal) -> str:
        """1,234 or 1.234."""
        return format_decimal(n, locale=self.locale)

    def change(self, n: int) -> str:
        """With its sign: +1,234."""
        return format_decimal(n, "+#,##0;\N{MINUS SIGN}#,##0", locale=self.locale)

    def points(self, n: int) -> str:
        """1 point, 1,234 points."""
        return self.count("{n} point", "{n} points", n)

    def amount(self, n: int, unit: Unit) -> str:
        """An amount of the unit, which is counted in its smallest part, with the name of what is counted."""
        if unit.key == POINTS.key:
            return self.points(n)
        whole = Decimal(n).scaleb(-unit.exponent)
        if unit.currency:
            return format_currency(whole, unit.currency, locale=self.locale)
        return f"{format_decimal(whole, locale=self.locale)} {unit.title or unit.key}"

    def date(self, day: date) -> str:
        """Nov 22, 2026 or 22.11.2026."""
        return format_date(day, "medium", locale=self.locale)

    def instant(self, at: datetime, time_zone: str) -> str:
        """The day of the week, the day and the time in the zone: Sun, Nov 22, 2:05 PM."""
        local = at.astimezone(zone(time_zone))
        day = format_skeleton("MMMEd", local, locale=self.locale)
        return f"{day}, {format_time(local, 'short', locale=self.locale)}"

    def clock(self, at: time) -> str:
        """2:05 PM or 14:05."""
        return format_time(at, "short", locale=self.locale)

    def weekday(self, n: int) -> str:
        """The name of a day of the week; Monday is 0."""
        return str(get_day_names("wide", "stand-alone", self.locale)[n])

    def duration(self, lasted: timedelta) -> str:
        """About how long, in the largest unit of which it has two: 36 hours, 3 days."""
        return format_timedelta(lasted, granularity="hour", threshold=2, locale=self.locale)

    def listed(self, texts: Iterable[str]) -> Markup:
        """Ada, Ben and Cleo."""
        return Markup(format_list([markup(text) for text in texts], locale=self.locale))

    def _filled(self, message: str, values: dict[str, Value]) -> str:
        written = {name: self.written(value) for name, value in values.items()}
        if any(isinstance(value, Markup) for value in written.values()):
            return Markup(markup(message).format(**{key: markup(value) for key, value in written.items()}))
        return message.format(**written)


@lru_cache(maxsize=_MAX_LOCALES)
def _texts(locale: str) -> Texts:
    try:
        known = Locale.parse(locale.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        return Texts(_ENGLISH)
    return Texts(known if known.language in ("en", *TRANSLATED) else _ENGLISH)


@lru_cache
def _translations(language: str) -> NullTranslations:
    """The catalogue as gettext wants it, made of the file that people edit: there is nothing to build."""
    if language not in TRANSLATED:
        return NullTranslations()
    with (LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
