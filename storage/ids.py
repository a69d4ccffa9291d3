"""Ids: a prefix that says what it names, then 26 hexadecimal digits: milliseconds, a counter, 40 random bits."""

import itertools
import os
import time

_count = itertools.count()


def new_id(prefix: str) -> str:
    """For example "evt_019a…": ids that one process makes in one millisecond sort in the order they were made."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{next(_count) & 0xFFFF:04x}{os.urandom(5).hex()}"
