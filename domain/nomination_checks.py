"""What a category of nominations must keep beyond its shape: levels that somebody decides, in time, and amounts."""

from domain.checks import MAX_DAYS, MAX_KEY, Told, bounded, close, listed, within
from domain.configuration import Award, Rule
from domain.definitions import Definitions
from domain.derived import EVENT_TYPES, NOMINATION_APPROVED
from domain.expressions import ExpressionError, check, fields_used, names_used
from domain.members import ATTRIBUTES
from domain.nominations import MAX_AMOUNT, MAX_APPROVERS, MAX_REASON, Level, Needs, NominationCategory
from domain.samples import breakages
from domain.shapes import Fault, Path

MAX_LEVELS = 10
MAX_TIMES = 1_000
MAX_HOURS = MAX_DAYS * 24


def category(path: Path, found: NominationCategory, _: Definitions) -> Told:
    """Every fault of the category."""
    yield from within((*path, "max_amount"), found.max_amount, 0, MAX_AMOUNT)
    yield from within((*path, "default_amount"), found.default_amount, 0, max(found.max_amount, 0))
    yield from within((*path, "min_reason"), found.min_reason, 1, MAX_REASON)
    if found.limit is not None:
        yield from within((*path, "limit", "times"), found.limit.times, 1, MAX_TIMES)
    yield from bounded((*path, "levels"), found.levels, MAX_LEVELS)
    if not found.levels:
        yield Fault((*path, "levels"), "has at least one level: somebody approves")
    elif found.levels[0].from_amount != 0:
        yield Fault((*path, "levels", 0, "from_amount"), "must be 0: somebody approves every amount")
    for n, level in enumerate(found.levels):
        yield from _level((*path, "levels", n), level)
        if level.from_amount > found.max_amount:
            yield Fault((*path, "levels", n, "from_amount"), "is above max_amount: nothing ever comes here")
        elif n and level.from_amount < found.levels[n - 1].from_amount:
            yield Fault((*path, "levels", n, "from_amount"), "is below that of the level before it")


def _level(path: Path, level: Level) -> Told:
    yield from _approvers(path, level)
    yield from _needs(path, level)
    yield from within((*path, "from_amount"), level.from_amount, 0, MAX_AMOUNT)
    yield from within((*path, "expire_hours"), level.expire_hours, 1, MAX_HOURS)
    for name in ("remind_hours", "escalate_hours"):
        hours = getattr(level, name)
        yield from within((*path, name), hours, 0, MAX_HOURS)
        if hours >= level.expire_hours:
            yield Fault((*path, name), f"must be less than expire_hours ({level.expire_hours})")


def _approvers(path: Path, level: Level) -> Told:
    ways = [name for name in ("approver", "members", "audience") if getattr(level, name)]
    if len(ways) != 1:
        yield Fault(path, "a level names its approvers in one way: approver, members or audience")
    yield from listed(path, "members", level.members)
    yield from bounded((*path, "members"), level.members, MAX_APPROVERS)
    for n, member in enumerate(level.members):
        if not 1 <= len(member) <= MAX_KEY * 4:
            yield Fault((*path, "members", n), f"an external id has 1 to {MAX_KEY * 4} characters")
    if level.audience is not None:
        yield from _audience((*path, "audience"), level.audience)


def _needs(path: Path, level: Level) -> Told:
    if (level.quorum is None) == (level.needs is Needs.QUORUM):
        yield Fault((*path, "quorum"), "a level that needs a quorum says how many, and no other does")
    if level.quorum is None:
        return
    most = 1 if level.approver else len(level.members) or MAX_APPROVERS
    yield from within((*path, "quorum"), level.quorum, 1, most)


def _audience(path: Path, text: str) -> Told:
    try:
        check(text)
    except ExpressionError as error:
        yield Fault(path, str(error))
        return
    if other := sorted(names_used(text) - {"member"}):
        yield Fault(path, f"an audience looks at the member alone, not at {other[0]}")
        return
    unknown = sorted(fields_used(text, "member") - set(ATTRIBUTES))
    for name in unknown:
        yield Fault(path, f"member.{name}: a member has no {name}{close(name, ATTRIBUTES)}")
    tried = Rule("audience", 0, NOMINATION_APPROVED, audience=text, award=Award("0"))
    for broken in breakages(tried, EVENT_TYPES[NOMINATION_APPROVED], {}) if not unknown else ():
        yield Fault(path, broken.cause)
