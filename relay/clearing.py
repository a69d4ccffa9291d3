"""Clearing accounts: whether held, promised and converted value agree with what explains them, as a metric."""

import asyncio

import structlog
from prometheus_client import Gauge

from domain.reports import AccountKind
from relay.outages import is_outage
from storage import programs, reports
from storage.database import Database

MEASURE_SECONDS = 60.0
CLEARING = (AccountKind.HELD, AccountKind.PENDING, AccountKind.LIQUIDITY)

_DIFFERENCE = Gauge(
    "laurel_ledger_clearing_difference", "How far clearing accounts are from what explains them, all added", ["account"]
)

log = structlog.get_logger()


class ClearingMeter:
    """Measures all programs of the deployment; any number may run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Measure until cancelled; while the database is away, what was measured last stands."""
        while True:
            try:
                await self.measure()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("clearing accounts not measured", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(MEASURE_SECONDS)

    async def measure(self) -> None:
        """Set the gauges; a difference is logged with its program."""
        apart = dict.fromkeys(CLEARING, 0)
        async with self._database.begin() as session:
            everybody = [program.id for program in await programs.list_all(session)]
        for program_id in everybody:
            async with self._database.begin() as session:
                found = await reports.clearing(session, program_id)
            for one in found:
                apart[AccountKind(one.account)] += abs(one.difference)
                if one.difference:
                    log.error("a clearing account is not explained", program_id=program_id, clearing=one)
        for account, difference in apart.items():
            _DIFFERENCE.labels(account.value).set(difference)
