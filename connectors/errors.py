"""What can go wrong with a system outside, as one tree. Messages name the system and the fact, never a secret.

OutsideError
├── Unavailable            no answer that concerns the request, and nothing was changed there: send it again later
│   ├── RateLimited        they asked us to slow down
│   └── BreakerOpen        we stopped asking for a while: nothing was sent
├── Ambiguous              a write was sent and its outcome is unknown: look it up by key before anything else
├── GarbledAnswer          a read was answered with something that cannot be understood
│   └── AnswerTooLong      with more bytes than are taken: ask for less at once
└── Rejected               they understood the request and refuse it: sending it again changes nothing
    ├── Unauthorized       the connection's credentials are refused, whatever the request
    └── FundsMissing       the request is good, the account behind it lacks the money

NoticeRefused              an incoming notice that must not be believed
├── BadSignature           not sent by who it should be from, or without credentials
├── StaleNotice            signed too long ago, or in the future: possibly a replay
├── TooLarge               more bytes, or more items, than the source ever sends at once
├── WrongContentType       not the media type that the source sends
├── WrongVersion           a version of the protocol that is not spoken here
└── MalformedNotice        signed as it should be, but not of the shape that the system documents
"""


class OutsideError(Exception):
    """The root; `system` names the outside system."""

    def __init__(self, system: str, message: str) -> None:
        super().__init__(f"{system}: {message}")
        self.system = system


class Unavailable(OutsideError):
    """`retry_after_seconds` is how long they (or the breaker) asked us to wait, None if nobody said."""

    def __init__(self, system: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(system, message)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(Unavailable):
    pass


class BreakerOpen(Unavailable):
    pass


class Ambiguous(OutsideError):
    pass


class GarbledAnswer(OutsideError):
    pass


class AnswerTooLong(GarbledAnswer):
    pass


class Rejected(OutsideError):
    """`status` is HTTP's; `code` is one of the connector's documented words; `detail` is theirs, bounded."""

    def __init__(self, system: str, status: int, code: str, detail: str = "") -> None:
        super().__init__(system, f"{code} ({status}) {detail}".rstrip())
        self.status = status
        self.code = code
        self.detail = detail


class Unauthorized(Rejected):
    pass


class FundsMissing(Rejected):
    pass


class NoticeRefused(Exception):
    pass


class BadSignature(NoticeRefused):
    pass


class StaleNotice(NoticeRefused):
    pass


class TooLarge(NoticeRefused):
    pass


class WrongContentType(NoticeRefused):
    pass


class WrongVersion(NoticeRefused):
    pass


class MalformedNotice(NoticeRefused):
    pass
