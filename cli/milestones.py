"""A crossing of a milestone and a reward for people: the threshold, what there was before and after, and by what."""

from collections.abc import Iterator

from rich.markup import escape

from cli.tabular import moment
from domain.challenges import ordinal
from storage.milestones import CrossingExplained, RewardExplained


def told_reward(reward: RewardExplained) -> Iterator[str]:
    """By what a reward was given, line by line in rich's markup."""
    order = f", order {reward.order_id}" if reward.order_id else ""
    why = f": {reward.reason}" if reward.reason else ""
    yield f"[bold]{reward.id}[/bold] {escape(reward.reward)} of {reward.member_id}, {reward.state}{order}{escape(why)}"
    if reward.crossing:
        yield from (f"  {line}" for line in told_crossing(reward.crossing))
    else:
        rule = f"rule {escape(str(reward.rule))} (configuration {reward.configuration})"
        yield f"  given by {rule} for {reward.event_id}"


def told_crossing(crossing: CrossingExplained) -> Iterator[str]:
    """What carried a member over a milestone, line by line in rich's markup."""
    title = f" {escape(crossing.title)}" if crossing.title else ""
    version = f"(version {crossing.version}, configuration {crossing.configuration})"
    yield f"[bold]{crossing.id}[/bold] milestone {escape(crossing.milestone)} {version}{title} of {crossing.member_id}"
    what = f"{crossing.on} {crossing.unit}"
    yield f"  crossed for the {ordinal(crossing.n)} time, at {crossing.threshold} {what}; {crossing.state}"
    if crossing.before is not None and crossing.after is not None:
        gained = crossing.after - crossing.before
        yield f"  {crossing.before} before + {gained} = {crossing.after} after, at least {crossing.threshold}"
    by = crossing.event_id or "no event: a command or a merge"
    yield f"  by {by}, {moment(crossing.crossed_at)}"
    if crossing.transactions:
        yield f"  booked in {', '.join(crossing.transactions)}"
