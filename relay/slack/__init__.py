"""What is done about Slack's requests once they are kept."""
