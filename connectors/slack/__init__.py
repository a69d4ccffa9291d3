"""Slack: requests verified, the words and blocks that people see, and calls to the Web API."""
