"""The schema of the game: counters of all members together, streaks, challenges, boards, tiers, badges, absences.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""
