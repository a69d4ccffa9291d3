"""How activities are retried, by what they touch. Use as `**described(SQL, "Settle the hold")`.

Hopeless errors are made non-retryable where they are raised; everything else is retried as said here. Waits double up
to the longest; without `schedule_to_close_timeout` an activity is retried until it succeeds.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityConfig

from workflows.queues import LAUREL, TREMENDOUS

QUICKLY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
PATIENTLY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))

# A step whose worker died is begun again after this time; while a worker lives, its steps beat.
HEARTBEAT_TIMEOUT = timedelta(seconds=10)

# Short transactions: a database that is away comes back, and nothing may be lost meanwhile.
SQL = ActivityConfig(
    task_queue=LAUREL.name,
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=QUICKLY,
)

# Transactions in which everybody has a part, or as many as there are pages of people.
SQL_LONG = ActivityConfig(
    task_queue=LAUREL.name,
    start_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=QUICKLY,
)

# Short ones for what the next run of a schedule will do as well: a fault in one program is not everybody's.
SQL_BOUNDED = ActivityConfig(
    task_queue=LAUREL.name,
    start_to_close_timeout=timedelta(minutes=2),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10), maximum_attempts=5
    ),
)

# Calls to the vendor. Beyond the hour the workflow tells a person, and asks again later.
VENDOR = ActivityConfig(
    task_queue=TREMENDOUS.name,
    start_to_close_timeout=timedelta(seconds=60),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    schedule_to_close_timeout=timedelta(hours=1),
    retry_policy=PATIENTLY,
)


# A page of an outside system's records. Beyond the hour the run fails, and the next one reads the same again.
SYNC = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    schedule_to_close_timeout=timedelta(hours=1),
    retry_policy=PATIENTLY,
)


def described(config: ActivityConfig, summary: str) -> ActivityConfig:
    """The same options, with the line that people read beside the activity."""
    return {**config, "summary": summary}
