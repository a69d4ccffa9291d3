"""Recorded histories by workflow and the version that wrote them, decoded; `python -m tests.histories` records them."""
