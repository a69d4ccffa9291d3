"""Ids: a prefix that says what it names, then 26 hexadecimal digits: milliseconds, a counter, 40 random bits."""

import itertools
import os
import time

# Random bytes are asked of the system for many ids at once: asking costs more than everything else here.
RANDOM_BYTES, AT_ONCE = 5, 256

_count = itertools.count()
_random: list[str] = []
# A copy of this process must not go on with the same random bytes.
os.register_at_fork(after_in_child=_random.clear)


def new_id(prefix: str) -> str:
    """For example "evt_019a…": ids that one process makes in one millisecond sort in the order they were made."""
    if not _random:
        digits = os.urandom(RANDOM_BYTES * AT_ONCE).hex()
        _random.extend(digits[n : n + 2 * RANDOM_BYTES] for n in range(0, len(digits), 2 * RANDOM_BYTES))
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{next(_count) & 0xFFFF:04x}{_random.pop()}"
