"""Which errors say that a system is away, and nothing about the row that was being acted upon."""

import redis.exceptions
import sqlalchemy.exc
from temporalio.service import RPCError, RPCStatusCode

from connectors.errors import Unavailable
from storage.failures import is_transient

# What Temporal answers about one request; every other status is about the server, the namespace or our credentials.
_ABOUT_THE_REQUEST = {
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.ALREADY_EXISTS,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.OUT_OF_RANGE,
}

_AWAY = (
    Unavailable,
    OSError,
    TimeoutError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    sqlalchemy.exc.TimeoutError,
)


def is_outage(error: BaseException) -> bool:
    """Whether sending the same again later may succeed without anything being changed in the row."""
    if isinstance(error, RPCError):
        return error.status not in _ABOUT_THE_REQUEST or namespace_is_missing(error) or _attribute_is_missing(error)
    return isinstance(error, _AWAY) or is_transient(error) or _not_connected(error)


def namespace_is_missing(error: RPCError) -> bool:
    """Temporal's database is new: Reconcile makes the namespace again."""
    return error.status is RPCStatusCode.NOT_FOUND and any(
        detail.type_url.endswith("NamespaceNotFoundFailure") for detail in error.grpc_status.details
    )


def _attribute_is_missing(error: RPCError) -> bool:
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message


def _not_connected(error: BaseException) -> bool:
    """The SDK has no type of its own for a lazy client that cannot connect."""
    return isinstance(error, RuntimeError) and str(error).startswith("Failed client connect")
