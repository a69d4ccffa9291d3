"""Signing in to the pages of administrators: links that open one session once, and sessions that end.

Links and sessions are random texts of which only digests are kept. A session's CSRF token follows from the session's
own text, so that whoever cannot read the cookie cannot make one.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.programs import check_name

LINK_MINUTES = 15
MAX_LINK_MINUTES = 24 * 60
SESSION_HOURS = 8
RANDOM_BYTES = 32
MAX_TOKEN = 200  # characters


class LinkSpent(Exception):
    """The link was used, has run out or never was: what is presented does not say which."""


@dataclass(frozen=True, slots=True)
class AdminSession:
    """Somebody who is signed in to a program's pages; `name` is who, as the link's maker said."""

    id: str
    program_id: str
    name: str
    expires_at: datetime

    @property
    def actor(self) -> str:
        """Who did it, in the records of what a session does."""
        return f"admin:{self.name}"


def write_token() -> str:
    """A new link's or session's text: 256 random bits."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def digest(token: str) -> bytes:
    """What is kept of it."""
    return hashlib.sha256(token.encode()).digest()


def csrf_token(session_token: str) -> str:
    """What forms of this session carry."""
    return hmac.new(session_token.encode(), b"csrf", hashlib.sha256).hexdigest()


def is_csrf_token(presented: str, session_token: str) -> bool:
    """Whether a form came from a page of this session; takes as long for every wrong one."""
    return hmac.compare_digest(presented.encode(), csrf_token(session_token).encode())


def check_link(name: str, minutes: int) -> str:
    """The name as it is kept; raises ValueError for one that cannot be shown, or a time that is none."""
    if not 1 <= minutes <= MAX_LINK_MINUTES:
        raise ValueError(f"a link works for 1 to {MAX_LINK_MINUTES} minutes, not {minutes}")
    return check_name(name)


def link_ends(made_at: datetime, minutes: int) -> datetime:
    """When a link stops working."""
    return made_at + timedelta(minutes=minutes)


def session_ends(opened_at: datetime) -> datetime:
    """When a session ends, whatever is done in it."""
    return opened_at + timedelta(hours=SESSION_HOURS)
