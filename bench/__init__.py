"""Benchmarks: each runs ours and a yardstick in turn, five times, and tells the ratio of the medians pair by pair.

A ratio carries over to other machines; the figures beside it do not. Timed work never includes starting servers, making
databases or preparing what the yardstick writes.
"""
