"""What the company tells its webhook: one signed event per request."""

import hashlib
import hmac
import json
from collections.abc import Sequence

from sandbox.shared import notices
from sandbox.shared.notices import Json, Written

USER_AGENT = "BambooHR-WebHooks/1.0 (+https://www.bamboohr.com)"


def sign(key: str, body: bytes, timestamp: str) -> str:
    """BambooHR's signature: HMAC-SHA256 in hex of the body, directly followed by the timestamp."""
    return hmac.new(key.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()


class Webhook(notices.Webhook):
    def written(self, batch: Sequence[Json]) -> Written:
        [notice] = batch
        body = json.dumps(notice).encode()
        timestamp = str(int(self.clock().timestamp()))
        headers = {
            "user-agent": USER_AGENT,
            "x-bamboohr-timestamp": timestamp,
            "x-bamboohr-signature": sign(self.secret, body, timestamp),
        }
        return Written(body, headers)
