"""Which errors say that a system is away, and which say something about the row."""

import psycopg
import pytest
import redis.exceptions
import sqlalchemy.exc
from temporalio.service import RPCError, RPCStatusCode

from connectors.errors import BreakerOpen, RateLimited, Rejected, Unavailable
from relay.outages import is_outage


def rpc(status: RPCStatusCode) -> RPCError:
    return RPCError("no", status, b"")


def sql(error: psycopg.Error) -> sqlalchemy.exc.DBAPIError:
    return sqlalchemy.exc.DBAPIError("SELECT 1", None, error)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("vendor", "no answer"),
        RateLimited("vendor", "slow down"),
        BreakerOpen("vendor", "not asked"),
        rpc(RPCStatusCode.UNAVAILABLE),
        rpc(RPCStatusCode.RESOURCE_EXHAUSTED),
        rpc(RPCStatusCode.DEADLINE_EXCEEDED),
        rpc(RPCStatusCode.INTERNAL),
        rpc(RPCStatusCode.PERMISSION_DENIED),
        redis.exceptions.ConnectionError(),
        redis.exceptions.TimeoutError(),
        redis.exceptions.BusyLoadingError(),
        sqlalchemy.exc.TimeoutError(),
        sql(psycopg.OperationalError("connection lost")),
        sql(psycopg.errors.AdminShutdown()),
        sql(psycopg.errors.DeadlockDetected()),
        sql(psycopg.errors.QueryCanceled()),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
    ids=repr,
)
def test_a_system_is_away(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        Rejected("vendor", 422, "invalid"),
        rpc(RPCStatusCode.INVALID_ARGUMENT),
        rpc(RPCStatusCode.NOT_FOUND),
        rpc(RPCStatusCode.FAILED_PRECONDITION),
        redis.exceptions.ResponseError("WRONGTYPE"),
        sql(psycopg.errors.UniqueViolation()),
        sql(psycopg.errors.NumericValueOutOfRange()),
        LookupError("no order"),
        RuntimeError("a bug"),
    ],
    ids=repr,
)
def test_the_row_was_answered(error: Exception) -> None:
    assert not is_outage(error)
