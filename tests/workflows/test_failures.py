"""Failures tell enough, to those who have the key, in what Temporal keeps of a step that is being retried."""

import os

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError, FailureError

from connectors.errors import Unavailable
from storage.keyring import Keyring
from workflows.plugin import data_converter

# The server's limit for the last failure of a pending activity, in bytes.
SERVER_LIMIT = 4_096

CONVERTER = data_converter(Keyring({"test": os.urandom(32)}, "test"))


def nested(depth: int) -> None:
    """Raise through many frames, with causes as they come from several layers."""
    try:
        if depth:
            nested(depth - 1)
        raise Unavailable("vendor", "no answer: " + "x" * 600)
    except Unavailable as error:
        raise ApplicationError(str(error), type="Unavailable") from error


async def encoded(error: BaseException) -> Failure:
    failure = Failure()
    await CONVERTER.encode_failure(error, failure)
    return failure


async def test_a_long_failure_stays_below_what_the_server_keeps() -> None:
    with pytest.raises(ApplicationError) as raised:
        nested(50)

    assert (await encoded(raised.value)).ByteSize() < SERVER_LIMIT


async def test_a_failure_keeps_its_kind_its_message_and_its_cause() -> None:
    with pytest.raises(ApplicationError) as raised:
        nested(2)

    decoded = await CONVERTER.decode_failure(await encoded(raised.value))

    assert isinstance(decoded, ApplicationError)
    assert decoded.type == "Unavailable"
    assert str(decoded).startswith("Unavailable: vendor: no answer")
    assert "vendor: no answer" in str(decoded.__cause__)


async def test_a_failure_keeps_the_end_of_its_trace() -> None:
    with pytest.raises(ApplicationError) as raised:
        nested(50)

    decoded = await CONVERTER.decode_failure(await encoded(raised.value))

    assert isinstance(decoded, FailureError)
    assert decoded.failure is not None
    assert "in nested" in decoded.failure.stack_trace


async def test_the_words_of_a_failure_are_encrypted() -> None:
    failure = await encoded(ApplicationError("a recipient bounced"))

    assert b"bounced" not in failure.SerializeToString()
    assert str(await CONVERTER.decode_failure(failure)) == "a recipient bounced"
