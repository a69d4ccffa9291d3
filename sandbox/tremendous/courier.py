"""What happens after the answer: e-mails are delivered or bounce, notices are signed and sent until they are taken."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
import sqlite3
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from sandbox.tremendous.store import Store, instant

BOUNCE_DOMAIN = "bounce.example"
NOTICE_ATTEMPTS = 8
NOTICE_TIMEOUT_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.25
COPIES_MAX = 20
_BATCH = 100


@dataclass(slots=True)
class NoticeKnobs:
    """`copies` of each are sent; while `paused` none is; then, if `reversed`, the newest one goes first."""

    copies: int = 1
    paused: bool = False
    reversed: bool = False
    delay_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= COPIES_MAX:
            raise ValueError(f"copies from 1 to {COPIES_MAX}")


class Courier:
    """Runs as one task beside the server; what is due is in the store, so nothing is forgotten by a restart."""

    def __init__(self, store: Store, delivery_seconds: float) -> None:
        self.knobs = NoticeKnobs()
        self._store = store
        self._delivery_seconds = delivery_seconds
        self._wake = asyncio.Event()

    def turn(self, knobs: NoticeKnobs) -> None:
        self.knobs = knobs
        self._wake.set()

    def deliver_soon(self, reward_id: str) -> None:
        """The reward's e-mail goes out after the usual delay; a LINK reward has none."""
        due = time.time() + self._delivery_seconds
        self._store.write("UPDATE rewards SET deliver_after = ?, delivery = 'PENDING' WHERE id = ?", due, reward_id)
        self._wake.set()

    def notify(self, event: str, resource_type: str, resource_id: str, meta: dict[str, Any] | None = None) -> None:
        """A notice of the event is sent to the webhook, if there is one."""
        if self._store.webhook() is None:
            return
        name = str(uuid.uuid4())
        payload = {"resource": {"id": resource_id, "type": resource_type}, "meta": meta or {}}
        body = json.dumps({"event": event, "uuid": name, "created_utc": instant(), "payload": payload}).encode()
        due = time.time() + self.knobs.delay_seconds
        self._store.insert("notices", uuid=name, event=event, body=body, send_after=due)
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            self._deliver_due()
            await self._send_due()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_until_due())

    def _deliver_due(self) -> None:
        due = "SELECT * FROM rewards WHERE deliver_after <= ? ORDER BY deliver_after LIMIT ?"
        for reward in self._store.all(due, time.time(), _BATCH):
            with self._store.transaction():
                self._deliver(reward)

    def _deliver(self, reward: sqlite3.Row) -> None:
        failure = _failure(reward["email"])
        token = secrets.token_urlsafe(24)
        if failure is None:
            self._store.insert("links", token=token, reward_id=reward["id"])
        self._store.insert(
            "emails",
            reward_id=reward["id"],
            email=reward["email"],
            sent_at=instant(),
            bounced=failure and failure["failure_reason"],
            token=None if failure else token,
        )
        state = "FAILED" if failure else "SUCCEEDED"
        self._store.write("UPDATE rewards SET deliver_after = NULL, delivery = ? WHERE id = ?", state, reward["id"])
        self.notify(f"REWARDS.DELIVERY.{state}", "rewards", reward["id"], failure)

    async def _send_due(self) -> None:
        webhook = self._store.webhook()
        if webhook is None or self.knobs.paused:
            return
        direction = "DESC" if self.knobs.reversed else "ASC"
        due = f"SELECT * FROM notices WHERE send_after <= ? ORDER BY n {direction} LIMIT ?"
        for notice in self._store.all(due, time.time(), _BATCH):
            await self._send(notice, webhook["url"], webhook["private_key"])

    async def _send(self, notice: sqlite3.Row, url: str, private_key: str) -> None:
        headers = {
            "content-type": "application/json",
            "tremendous-webhook-signature": sign(notice["body"], private_key),
        }
        taken = [await asyncio.to_thread(_post, url, notice["body"], headers) for _ in range(self.knobs.copies)]
        attempts = notice["attempts"] + 1
        again = None if all(taken) or attempts >= NOTICE_ATTEMPTS else time.time() + FIRST_RETRY_SECONDS * 2**attempts
        self._store.write(
            "UPDATE notices SET send_after = ?, attempts = ?, sent = ? WHERE n = ?",
            again,
            attempts,
            notice["sent"] + sum(taken),
            notice["n"],
        )

    def _seconds_until_due(self) -> float | None:
        moments = [self._store.one("SELECT min(deliver_after) FROM rewards WHERE deliver_after IS NOT NULL")]
        if self._store.webhook() is not None and not self.knobs.paused:
            moments.append(self._store.one("SELECT min(send_after) FROM notices WHERE send_after IS NOT NULL"))
        due = [moment[0] for moment in moments if moment is not None and moment[0] is not None]
        return max(min(due) - time.time(), 0.0) if due else None


def sign(body: bytes, private_key: str) -> str:
    return "sha256=" + hmac.new(private_key.encode(), body, hashlib.sha256).hexdigest()


def _failure(email: str) -> dict[str, Any] | None:
    """Every address at the bounce domain fails; full@ as a mailbox that may have room again later."""
    local, _, domain = email.rpartition("@")
    if domain.lower() != BOUNCE_DOMAIN:
        return None
    if local.lower() == "full":
        return {"failure_reason": "mailbox_unavailable", "retryable": True}
    return {"failure_reason": "invalid_email", "retryable": False}


def _post(url: str, body: bytes, headers: dict[str, str]) -> bool:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=NOTICE_TIMEOUT_SECONDS) as answer:
            return bool(200 <= answer.status < 300)
    except (OSError, urllib.error.HTTPError, ValueError):
        return False
