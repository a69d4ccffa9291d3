"""The schema of nominations and who decided them.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""
