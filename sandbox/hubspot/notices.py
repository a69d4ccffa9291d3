"""What the account tells its webhook: signed arrays of notifications."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence

from sandbox.hubspot.crm import epoch_milliseconds
from sandbox.shared import notices
from sandbox.shared.notices import Json, Written

_DECODED = {f"%{ord(c):02X}": c for c in ":/?@!$'()*,;"}


def sign(secret: str, method: str, url: str, body: bytes, timestamp: str) -> str:
    """HubSpot's v3 signature."""
    for escape, character in _DECODED.items():
        url = url.replace(escape, character).replace(escape.lower(), character)
    signed = f"{method}{url}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


class Webhook(notices.Webhook):
    batch_max = 100

    def written(self, batch: Sequence[Json]) -> Written:
        assert self.url is not None, "somebody listens"
        body = json.dumps(list(batch)).encode()
        timestamp = str(epoch_milliseconds(self.clock()))
        headers = {
            "user-agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/)",
            "x-hubspot-signature-v3": sign(self.secret, "POST", self.url, body, timestamp),
            "x-hubspot-request-timestamp": timestamp,
        }
        return Written(body, headers)

    async def deliver_again(self, *, reverse: bool = False) -> list[int]:
        """HubSpot counts its attempts."""
        for notification in self.delivered:
            notification["attemptNumber"] += 1
        return await super().deliver_again(reverse=reverse)
