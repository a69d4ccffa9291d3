"""What stands in the way of new definitions, as every command that meets it says it."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.errors import CommandFailed
from domain.challenges import IllegalChallenge
from domain.definitions import KeyTaken
from domain.proposals import IllegalProposal, NeedsSecondPerson
from storage import configurations, proposals, publishing

_REFUSED = (
    KeyTaken,
    IllegalChallenge,
    IllegalProposal,
    NeedsSecondPerson,
    configurations.UnitInUse,
    configurations.CadenceChanged,
    proposals.TooManyProposals,
    publishing.NotSound,
)


@contextmanager
def refusals() -> Iterator[None]:
    """Whatever stands in the way of new definitions becomes CommandFailed."""
    try:
        yield
    except configurations.Outdated as error:
        raise CommandFailed(f"{error}; look at the changes again") from None
    except _REFUSED as error:
        raise CommandFailed(str(error)) from None
