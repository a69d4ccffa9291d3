"""Findings: why Laurel told that a member came to another tier or earned a badge: what was asked, what there was."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.badges import counter_of
from domain.configuration import Configuration
from domain.game import Badge, TierLadder


@dataclass(frozen=True, slots=True)
class Finding:
    """What was asked for and what there was when it was found, by the event that completed it if one did.

    `asked` has the thresholds by name: of levels what they are reached at, and kept with where the member has them; of
    badges what they count. `there` has by the same names, or as `earned`, what there was.
    """

    kind: str  # tier, badge
    key: str
    version: int
    configuration: int
    event_id: str | None
    asked: Mapping[str, int]
    there: Mapping[str, int]
    told: str


def of_tier(
    ladder: TierLadder, change: tuple[str | None, str | None], earned: int, event_id: str | None, configuration: int
) -> Finding:
    """Why a member came from one level to the other (None: below the lowest) with so much earned."""
    before, now = change
    heights = {level.key: n for n, level in enumerate(ladder.levels)}
    held = heights.get(before or "", -1)
    asked = {level.key: level.kept_at if n <= held else level.at for n, level in enumerate(ladder.levels)}
    window = "in all" if ladder.days is None else f"in {ladder.days} days"
    levels = [
        f"{key} {'is kept with' if heights[key] <= held else 'asks for'} {amount}: "
        + ("enough" if earned >= amount else f"{amount - earned} short")
        for key, amount in asked.items()
    ]
    told = f"{earned} {ladder.unit} earned {window}; {'; '.join(levels)}; from {before or 'none'} to {now or 'none'}"
    return Finding("tier", ladder.key, ladder.version, configuration, event_id, asked, {"earned": earned}, told)


def of_badge(badge: Badge, configuration: Configuration, event_id: str | None, counted: int) -> Finding:
    """Why the event completed the badge, which then counted so much of what the badge counts."""
    what = badge.aggregate or badge.streak or badge.challenge
    if badge.badges or what is None:
        asked = dict.fromkeys(badge.badges, 1)
        told = f"has all of {', '.join(badge.badges)}: the event completed the last of them"
        return _badge(badge, configuration, event_id, asked, asked, told)
    name = {
        badge.aggregate: f"{what} ({counter_of(configuration.aggregates, badge)})",
        badge.streak: f"the length of streak {what}",
        badge.challenge: f"prizes of challenge {what}",
    }[what]
    told = f"{name} came to {counted} with the event, and {badge.at_least} are asked for"
    return _badge(badge, configuration, event_id, {what: badge.at_least}, {what: counted}, told)


def _badge(
    badge: Badge,
    configuration: Configuration,
    event_id: str | None,
    asked: Mapping[str, int],
    there: Mapping[str, int],
    told: str,
) -> Finding:
    return Finding("badge", badge.key, badge.version, configuration.number, event_id, asked, there, told)
