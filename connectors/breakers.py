"""Circuit breakers: while a system outside does not answer, nobody waits for it and it is left to recover.

closed ──`failures_to_open` failures in a row──> open ──`open_seconds`──> half-open ──trial succeeds──> closed
                                                  ^───────────trial fails──────────────┘
"""

import time
from collections.abc import Callable
from enum import StrEnum

from prometheus_client import Gauge

from connectors.errors import BreakerOpen

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 30.0
_TRIAL_WAIT_SECONDS = 1.0

_OPEN = Gauge("laurel_outside_breaker_open", "1 while requests to an outside system are held back", ["system"])


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One per outside system and process; `clock` is monotonic seconds. Each `admit` is followed by one report."""

    def __init__(
        self,
        system: str,
        *,
        failures_to_open: int = FAILURES_TO_OPEN,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.system = system
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._trial = False
        _OPEN.labels(system).set(0)

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._remaining_seconds() > 0 else BreakerState.HALF_OPEN

    def admit(self) -> None:
        """Returns if a request may be sent now; half-open lets one through at a time. Raises BreakerOpen otherwise."""
        if self.state is BreakerState.CLOSED:
            return
        if self.state is BreakerState.OPEN:
            raise BreakerOpen(self.system, "not asked while it recovers", self._remaining_seconds())
        if self._trial:
            raise BreakerOpen(self.system, "one trial request is under way", _TRIAL_WAIT_SECONDS)
        self._trial = True

    def succeeded(self) -> None:
        """The system answered, whatever it said."""
        self._failures, self._opened_at, self._trial = 0, None, False
        _OPEN.labels(self.system).set(0)

    def failed(self) -> None:
        """The system gave no answer, or said that it is broken."""
        self._failures += 1
        if self._trial or self._failures >= self._failures_to_open:
            self._opened_at, self._trial = self._clock(), False
            _OPEN.labels(self.system).set(1)

    def abandoned(self) -> None:
        """The caller went away before the answer: nothing is learnt."""
        self._trial = False

    def _remaining_seconds(self) -> float:
        opened_at = self._clock() if self._opened_at is None else self._opened_at
        return opened_at + self._open_seconds - self._clock()
