"""Keeps the histories of tests that tell a whole story, as JSON that everybody can read and a replayer replays.

A history that is here is never recorded again: the code of later versions must still be able to replay it. What a new
version does differently is recorded in a directory of its own beside it.
"""

import os
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistory

HISTORIES = Path(__file__).parent
RECORD = "RECORD_HISTORIES"

# A process and its host, as a worker calls itself; nobody needs to know which machine recorded.
IDENTITY = re.compile(r"\b\d+@[\w.-]+")


async def record(client: Client, workflow_id: str, case: str) -> None:
    """Keep the workflow's history under the case's name, if this run records and the story is over."""
    if RECORD not in os.environ:
        return
    handle = client.get_workflow_handle(workflow_id)
    described = await handle.describe()
    name = case.removeprefix("test_").replace("[", "-").replace("]", "")
    path = HISTORIES / described.workflow_type / version("laurel") / f"{name}.json"
    if described.status is not WorkflowExecutionStatus.COMPLETED or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    history = await decoded(client, await handle.fetch_history())
    path.write_text(IDENTITY.sub("1@worker", history.to_json()) + "\n")


async def decoded(client: Client, history: WorkflowHistory) -> WorkflowHistory:
    """The history with every payload in clear, changed in place."""
    codec = client.data_converter.payload_codec
    assert codec is not None
    for event in history.events:
        for payload in _payloads(event):
            [clear] = await codec.decode([payload])
            payload.CopyFrom(clear)
    return history


def _payloads(message: Message) -> Iterator[Payload]:
    """Every payload inside the message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [item for item in value.values() if isinstance(item, Message)]
        else:
            inner = [value] if isinstance(value, Message) else list(value)
        for item in inner:
            yield from _payloads(item)
