"""The schema of recognitions.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""
