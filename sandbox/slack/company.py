"""Who is in the workspace from the beginning: a small company that is made up, a guest, and two others."""

import hashlib

from sandbox.slack.workspace import BOT_USER, Conversation, Kind, User, Workspace

TEAM_ID = "T0SANDBOX1"
TEAM_NAME = "Sample company"

# Given name, time zone, locale, title.
PEOPLE = (
    ("Helen", "America/New_York", "en-US", "Managing director"),
    ("Ruth", "America/New_York", "en-US", "Head of sales"),
    ("Maya", "America/New_York", "en-US", "Account executive"),
    ("Owen", "America/New_York", "en-US", "Account executive"),
    ("Grace", "America/New_York", "en-US", "Support engineer"),
    ("Martin", "Europe/London", "en-GB", "Regional sales lead"),
    ("Priya", "Europe/London", "en-GB", "Account executive"),
    ("Simon", "Europe/London", "fr-FR", "Support engineer"),
    ("Karin", "Europe/Berlin", "de-DE", "Regional sales lead"),
    ("Jonas", "Europe/Berlin", "de-DE", "Account executive"),
    ("Lena", "Europe/Berlin", "de-DE", "Account executive"),
    ("Emre", "Europe/Berlin", "de-DE", "HR partner"),
)
# Name, kind, and whether the bot has been invited; everybody of the company is in each.
CHANNELS: tuple[tuple[str, Kind, bool], ...] = (
    ("general", "channel", True),
    ("thanks", "channel", True),
    ("random", "channel", False),
    ("leads", "group", False),
)
# What the app is allowed in the first workspace.
SCOPES = (
    "channels:history", "channels:read", "chat:write", "commands", "groups:history", "groups:read", "im:history",
    "im:write", "reactions:read", "users:read", "users:read.email",
)  # fmt: skip


def found(workspace: Workspace) -> None:
    """Fill an empty workspace."""
    records, team = workspace.records, workspace.team_id
    for name, tz, locale, title in PEOPLE:
        add(workspace, User(identifier("U", team, name), name.lower(), name, f"{name}@example.com".lower(), team, tz,
                            locale, title))  # fmt: skip
    everybody = list(records.users)
    bot = User(BOT_USER, "app", "App", None, team, is_bot=True)
    guest = User(identifier("U", team, "guest"), "nora", "Nora", "nora@agency.example", team, is_restricted=True)
    for one in (bot, guest):
        add(workspace, one)
    for name, kind, has_bot in CHANNELS:
        members = [*everybody, *([BOT_USER] if has_bot else [])]
        channel = Conversation(identifier("C", team, name), kind, int(workspace.now().timestamp()), name, members)
        records.conversations[channel.id] = channel
    records.conversations[identifier("C", team, "general")].members.append(guest.id)


def add(workspace: Workspace, user: User) -> None:
    user.updated = int(workspace.now().timestamp())
    workspace.records.users[user.id] = user


def identifier(prefix: str, team: str, name: str) -> str:
    """The same in every sandbox."""
    return prefix + hashlib.sha256(f"{team} {name}".encode()).hexdigest()[:9].upper()
