"""Failures as Temporal keeps them: encrypted, and short enough to be shown while a step is still being retried.

Beyond 4 KiB the server replaces the last failure of a pending activity by "Failure exceeds size limit", just when
somebody wants to know why it does not get on (`limit.mutableStateActivityFailureSize.error`).
"""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter

MESSAGE_CHARACTERS = 500
# The end of a trace is where it was raised; the whole of it is in the log.
STACK_TRACE_CHARACTERS = 700


class ShortFailureConverter(DefaultFailureConverter):
    """Keeps an error and its cause, each with the end of its trace, where the codec encrypts them."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        if failure.HasField("encoded_attributes"):  # it was a failure already
            return
        if failure.cause.HasField("cause"):
            failure.cause.ClearField("cause")
        kept = {
            "message": failure.message[:MESSAGE_CHARACTERS],
            "stack_trace": failure.stack_trace[-STACK_TRACE_CHARACTERS:],
        }
        failure.encoded_attributes.CopyFrom(payload_converter.to_payloads([kept])[0])
        failure.message = "Encoded failure"
        failure.stack_trace = ""
