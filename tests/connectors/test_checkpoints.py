"""Checkpoints arrive outside: in a file that grows, and at a URL that may be away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.checkpoints import CheckpointFile, keepers
from connectors.errors import Rejected, Unavailable

NOTE = "laurel/prg_1\n3\n"


class Receiver:
    """Keeps what is posted to it, and answers with a status."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        self.requests.append(head.split("\r\n")[0] + "\n" + (await reader.readexactly(length)).decode())
        writer.write(f"HTTP/1.1 {self.status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1")
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/kept?by=us"
    async with server:
        yield receiver


async def test_a_file_grows_by_each_note(tmp_path: Path):
    file = CheckpointFile(tmp_path / "checkpoints")
    await file.keep(NOTE)
    await file.keep(NOTE)

    assert (tmp_path / "checkpoints").read_text() == f"{NOTE}\n{NOTE}\n"


async def test_a_file_that_cannot_be_written_is_an_outage(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        await CheckpointFile(tmp_path / "gone" / "checkpoints").keep(NOTE)


async def test_a_note_is_posted_as_it_was_signed():
    async with receiving() as receiver:
        (hook,) = keepers(None, receiver.url)
        await hook.keep(NOTE)
        await hook.aclose()

    assert receiver.requests == [f"POST /kept?by=us HTTP/1.1\n{NOTE}"]


@pytest.mark.parametrize(("status", "error"), [(503, Unavailable), (429, Unavailable), (400, Rejected)])
async def test_an_answer_says_whether_to_send_it_again(status: int, error: type[Exception]):
    async with receiving() as receiver:
        receiver.status = status
        (hook,) = keepers(None, receiver.url)
        with pytest.raises(error):
            await hook.keep(NOTE)
        await hook.aclose()


def test_nothing_is_kept_outside_unless_somebody_says_where():
    assert keepers(None, None) == []
