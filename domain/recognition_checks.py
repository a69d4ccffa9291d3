"""What the policy of recognition must keep beyond its shape."""

import re

from domain.checks import MAX_LIST, MAX_POINTS, MAX_TITLE, Told, bounded, close, listed, within
from domain.configuration import UnitKind
from domain.definitions import Definitions
from domain.derived import MAX_THANKS
from domain.recognitions import MAX_REASON, MAX_RECEIVERS, PairCap, RecognitionPolicy
from domain.shapes import Fault, Path

MAX_PAIR_CAPS = 10
MAX_TIMES = 1_000

_EMOJI = re.compile(r"[a-z0-9_+'-]{1,100}", re.ASCII)
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,30}", re.ASCII)


def recognition(path: Path, policy: RecognitionPolicy, definitions: Definitions) -> Told:
    """There is one policy, it spends an allowance, and everything in it can be."""
    if policy.key != min(definitions.recognition):
        yield Fault(path, f"a program has one policy: {min(definitions.recognition)} is it")
    yield from _unit(path, policy.unit, definitions)
    yield from within((*path, "amount"), policy.amount, 1, MAX_THANKS)
    yield from within((*path, "reason_at_least"), policy.reason_at_least, 0, MAX_REASON)
    yield from within((*path, "receivers"), policy.receivers, 1, MAX_RECEIVERS)
    yield from listed(path, "values", policy.values)
    for n, value in enumerate(policy.values):
        if not value.strip() or len(value) > MAX_TITLE:
            yield Fault((*path, "values", n), f"a value has 1 to {MAX_TITLE} characters")
    yield from _slack(path, policy)
    yield from bounded((*path, "pair_caps"), policy.pair_caps, MAX_PAIR_CAPS)
    for n, cap in enumerate(policy.pair_caps):
        yield from _cap((*path, "pair_caps", n), cap, policy)


def _unit(path: Path, key: str, definitions: Definitions) -> Told:
    unit = definitions.units.get(key)
    if unit is None:
        yield Fault((*path, "unit"), f"no unit {key}{close(key, definitions.units)}", ("units", key))
    elif unit.kind is not UnitKind.ALLOWANCE:
        yield Fault((*path, "unit"), f"thanks are spent of an allowance, {key} is of kind {unit.kind}")


def _cap(path: Path, cap: PairCap, policy: RecognitionPolicy) -> Told:
    if cap.times is None and cap.amount is None:
        yield Fault(path, "a cap limits times, or amount")
    if cap.times is not None:
        yield from within((*path, "times"), cap.times, 1, MAX_TIMES)
    if cap.amount is not None:
        yield from within((*path, "amount"), cap.amount, policy.amount, MAX_POINTS)


def _slack(path: Path, policy: RecognitionPolicy) -> Told:
    yield from bounded((*path, "emoji"), list(policy.emoji), MAX_LIST)
    for name, amount in policy.emoji.items():
        if not _EMOJI.fullmatch(name):
            yield Fault((*path, "emoji", name), "an emoji is named as Slack does, without colons")
        yield from within((*path, "emoji", name), amount, 1, MAX_THANKS)
    yield from listed(path, "channels", policy.channels)
    for n, channel in enumerate(policy.channels):
        if not _CHANNEL.fullmatch(channel):
            yield Fault((*path, "channels", n), f"{channel!r} is not the id of a channel, as C024BE91L")
