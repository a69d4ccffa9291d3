"""Keys of streaks, a member and a policy, as arrays that the server unfolds: {KEYS}) is a table of them."""

from collections.abc import Iterable

from domain.streak_book import StreakKey
from storage.sets import texts

KEYS = "unnest(CAST(%(members)s AS text[]), CAST(%(policies)s AS text[])"


def named(keys: Iterable[StreakKey]) -> dict[str, str]:
    """The parameters of KEYS."""
    listed = list(keys)
    return {"members": texts([member for member, _ in listed]), "policies": texts([policy for _, policy in listed])}
