"""Fault knobs: what should go wrong, for which calls, and how often."""

from dataclasses import dataclass, field

FAULTS_MAX = 1000
KINDS = {
    "slow": "waits `seconds`, then works as usual",
    "timeout_after_success": "does it, then gives no answer for `seconds` or until the caller hangs up",
    "drop_after_success": "does it, then closes the connection without an answer",
    "error_after_success": "does it, then answers `status` (500)",
    "garbage_after_success": "does it, then answers 200 with something that is not JSON",
    "error": "does nothing and answers `status` (500)",
    "drop": "does nothing and closes the connection without an answer",
    "garbage": "does nothing and answers 200 with something that is not JSON",
    "rate_limited": "does nothing and answers 429 with Retry-After `retry_after`",
    "unauthorized": "does nothing and answers 401",
    "funds_missing": "does nothing and answers 402",
    "invalid_denomination": "does nothing and answers 422 about the denomination",
    "pending_approval": "takes the order, but leaves it for /order_approvals",
    "wrong_amount": "takes the order, but makes the card one unit of currency larger",
}


@dataclass(slots=True)
class Fault:
    """Strikes from the `nth` matching call on, `times` times; no `route` or `external_id` matches every one."""

    kind: str
    route: str | None = None
    external_id: str | None = None
    nth: int = 1
    times: int = 1
    seconds: float = 60.0
    status: int = 500
    retry_after: int = 1
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}, one of {', '.join(KINDS)}")
        if self.nth < 1 or self.times < 1:
            raise ValueError("nth and times count from 1")

    def strikes(self, route: str, external_id: str | None) -> bool:
        if self.route not in (None, route) or self.external_id not in (None, external_id):
            return False
        self.seen += 1
        if self.seen < self.nth or self.struck >= self.times:
            return False
        self.struck += 1
        return True


class Faults:
    """The knobs that are set, the oldest first; each call is struck by one of them at most."""

    def __init__(self) -> None:
        self.set: list[Fault] = []

    def add(self, fault: Fault) -> None:
        if len(self.set) >= FAULTS_MAX:
            raise ValueError(f"more than {FAULTS_MAX} faults")
        self.set.append(fault)

    def clear(self) -> None:
        self.set.clear()

    def take(self, route: str, external_id: str | None) -> Fault | None:
        return next((fault for fault in self.set if fault.strikes(route, external_id)), None)
