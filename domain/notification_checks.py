"""What the way of telling must keep beyond its shape."""

import re

from domain.calendars import WEEKDAYS
from domain.checks import Told, listed
from domain.checks import within as is_within
from domain.definitions import Definitions
from domain.notifications import NotificationPolicy
from domain.preferences import MAX_DAILY_LIMIT
from domain.shapes import Fault, Path

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,20}", re.ASCII)


def policy(path: Path, found: NotificationPolicy, definitions: Definitions) -> Told:
    """There is one, its hours are hours, and not every day is quiet."""
    if len(definitions.notifications) > 1:
        yield Fault(path, "a program tells in one way: there is another here")
    for name in ("quiet_from", "quiet_until"):
        if not _CLOCK.fullmatch(getattr(found, name)):
            yield Fault((*path, name), 'must be a time of the day, such as "20:00"')
    yield from _days(path, found)
    yield from is_within((*path, "daily_limit"), found.daily_limit, 0, MAX_DAILY_LIMIT)
    yield from is_within((*path, "digest_hour"), found.digest_hour, 0, 23)
    yield from is_within((*path, "celebrations", "hour"), found.celebrations.hour, 0, 23)
    yield from _channel((*path, "admin_channel"), found.admin_channel)
    yield from _channel((*path, "celebrations", "channel"), found.celebrations.channel)
    yield from _channel((*path, "challenges", "channel"), found.challenges.channel)


def _days(path: Path, found: NotificationPolicy) -> Told:
    yield from listed(path, "quiet_days", found.quiet_days)
    for n, day in enumerate(found.quiet_days):
        if day not in WEEKDAYS:
            yield Fault((*path, "quiet_days", n), f"{day} is no day of the week: those are {', '.join(WEEKDAYS)}")
    if set(WEEKDAYS) <= set(found.quiet_days):
        yield Fault((*path, "quiet_days"), "one day of the week is not quiet")


def _channel(path: Path, channel: str) -> Told:
    if channel and not _CHANNEL.fullmatch(channel):
        yield Fault(path, "must be a channel's id, such as C0123456789: names change")
