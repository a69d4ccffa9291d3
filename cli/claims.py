"""The completions of a challenge for people, in the order in which they came: provably who was the N-th."""

from collections.abc import Iterator, Mapping, Sequence

from rich.markup import escape

from cli.tabular import moment
from domain.challenges import Claim, ClaimState, ordinal
from domain.game import Challenge, Fairness
from storage.challenges import StoredChallenge

WHY = {
    ClaimState.STANDING: "counts",
    ClaimState.BEYOND: "came after the places were taken",
    ClaimState.HONOURED: "fell out of the places at the close, and keeps what it was paid as an exception",
    ClaimState.DISPLACED: "fell out of the places at the close, and what it was paid is taken back",
    ClaimState.WITHDRAWN: "was taken back",
}


def told(
    stored: StoredChallenge, claims: Sequence[Claim], last: Claim | None, names: Mapping[str, str]
) -> Iterator[str]:
    """Each completion with its number, its place and what became of it, line by line in rich's markup.

    `last` has the last place.
    """
    definition = stored.definition
    window = f"{moment(definition.starts_at)} to {moment(definition.until)}"
    yield f"[bold]{stored.id}[/bold] {escape(stored.about)} (version {definition.version}), {stored.state}"
    yield f"  {window}; {_places(definition)}"
    for claim in claims:
        yield f"  {_claim(claim, names)}"
        yield f"      {claim.event_id}, occurred {moment(claim.occurred_at)}"
    if not claims:
        yield "  nobody has completed it"
    if last:
        yield f"  [bold]The {ordinal(last.place or 0)} of {definition.first} is {_who(last, names)}.[/bold]"


def _places(definition: Challenge) -> str:
    if not definition.first:
        return "as many places as there are completions"
    by = {
        Fairness.ARRIVAL: "by arrival, for good",
        Fairness.EVENT_TIME: "by the time of events, once, when the late window closes",
    }
    return f"{definition.first} places, given {by[definition.fairness]}"


def _claim(claim: Claim, names: Mapping[str, str]) -> str:
    came = ordinal(claim.number) if claim.number else "not numbered"
    place = f"place {claim.place}" if claim.place else "no place"
    return f"{came}: {_who(claim, names)}, {place}, {claim.points} points: it {WHY[claim.state]}"


def _who(claim: Claim, names: Mapping[str, str]) -> str:
    return escape(f"{names.get(claim.member_id, 'somebody')} ({claim.member_id})")
