"""The schema of Slack: workspaces, users, envelopes that came, conversations and messages.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""
