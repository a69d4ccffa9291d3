"""Ids: a prefix that says what it names, then 26 characters in time order (milliseconds, a counter, 64 random bits)."""

import base64
import itertools
import os
import time

_count = itertools.count()


def new_id(prefix: str) -> str:
    """For example "evt_06b8k…": ids that one process makes in one millisecond sort in the order they were made."""
    raw = (time.time_ns() // 1_000_000).to_bytes(6, "big") + (next(_count) & 0xFFFF).to_bytes(2, "big") + os.urandom(8)
    return f"{prefix}_{base64.b32hexencode(raw).decode('ascii')[:26].lower()}"
