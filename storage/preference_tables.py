"""The schema of what members want to be told, and when.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""
