"""A company that never was: made up from a seed, and lived through against the real engine, faster than time."""
