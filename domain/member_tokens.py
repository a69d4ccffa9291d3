"""Member tokens: with one, a page or a phone reads what one member has, and nothing else.

A token reads `lrl_member_`, what it says, a point, and HMAC-SHA256 of what it says. It is not kept anywhere: it names
the API key that gave it out and ends with that key, or when its minutes are over, or when the deployment's secret that
signed it is taken away.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.scopes import Scope

MARKER = "lrl_member_"
SCOPES = frozenset({Scope.BALANCES_READ})
MIN_SECONDS = 60
DEFAULT_SECONDS = 15 * 60
MAX_SECONDS = 60 * 60
MAX_LENGTH = 300  # characters

_PURPOSE = b"laurel member tokens"


@dataclass(frozen=True, slots=True)
class MemberToken:
    """What a token says: which key gave it out, whose it is, and when it ends, in whole seconds."""

    key_id: str
    member_id: str
    expires_at: datetime

    def valid_at(self, now: datetime) -> bool:
        """Whether its time is not over."""
        return now < self.expires_at


def is_token(presented: str) -> bool:
    """Whether this is meant to be a member token."""
    return presented.startswith(MARKER)


class TokenSigner:
    """Writes and reads tokens; the keys are the deployment's, the first one signs, all of them verify."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = [hmac.digest(key, _PURPOSE, hashlib.sha256) for key in keys.values()]

    def write(self, token: MemberToken) -> str:
        """The token as its bearer presents it."""
        said = f"{token.key_id} {token.member_id} {int(token.expires_at.timestamp())}".encode()
        return f"{MARKER}{_encode(said)}.{_encode(_mac(self._keys[0], said))}"

    def read(self, presented: str) -> MemberToken | None:
        """What was written, whether its time is over or not; None for what none of the keys signed."""
        said, _, mac = presented.removeprefix(MARKER).partition(".")
        if len(presented) > MAX_LENGTH or not presented.isascii():
            return None
        try:
            plain, given = _decode(said), _decode(mac)
        except ValueError:
            return None
        if not any(hmac.compare_digest(given, _mac(key, plain)) for key in self._keys):
            return None
        key_id, member_id, seconds = plain.decode().split(" ")
        return MemberToken(key_id, member_id, datetime.fromtimestamp(int(seconds), UTC))


def _mac(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, hashlib.sha256)


def _encode(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
