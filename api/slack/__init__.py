"""Slack: its requests, the app behind them, and how it comes into a workspace."""
