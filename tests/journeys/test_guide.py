"""docs/guide.md answers as it says: files are written, commands run; `python -m tests.journeys.test_guide` anew.

On the page the day is PAGE_DAY: its dates are moved to lie as far from today, and those of answers back. Ids, keys,
what a link hides and times of recording are masked with dots; in a command they stand for the last that was told.
"""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import chdir
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from typer.testing import CliRunner

from cli.commands import app_for
from tests.eventually import GIVE_UP_SECONDS, PAUSE_SECONDS
from tests.journeys.conftest import RunningStack, running_stack

PAGE = Path(__file__).parents[2] / "docs" / "guide.md"
PAGE_DAY = date(2026, 11, 20)
URL = "http://127.0.0.1:8700"
COLUMNS = "110"
# What the worker does a moment after the command before: asked again until the answer has this word.
AWAITED = {"laurel challenges list": "open"}

_BLOCK = re.compile(r"^```(?P<kind>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# The moment of the examples that warnings give is always the same.
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d(?!\d|T12:00:00\+00:00)")
_RECORDED = re.compile(r"(?<=recorded )\S+ \S+(?= UTC)")
_ID = re.compile(r"\b(evt|mem|prg|txn)_[0-9a-f]{26}\b( *│)?")
_SECRET = re.compile(r"(lrl_test_|/admin/enter#)[\w-]+")


class Reader:
    """Somebody who does what the page says in a folder of their own, and keeps what was told."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self.away = datetime.now(UTC).date() - PAGE_DAY
        self.exports: list[str] = []
        self.told: dict[str, str] = {}

    def follow(self, block: re.Match[str]) -> str:
        """The block as it should be on the page."""
        if block["file"]:
            file = Path(block["file"])
            file.parent.mkdir(exist_ok=True)
            file.write_text(self._here(block["text"]))
        return block[0] if block["kind"] != "console" else f"```console\n{''.join(self._answers(block['text']))}```"

    def _answers(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            if line.startswith("$ "):
                yield f"{line}\n{self._page(self._run(self._here(line[2:])))}"

    def _run(self, command: str) -> str:
        if command.startswith("export "):
            self.exports.append(command)
            return ""
        if command.startswith("laurel "):
            return laurel(command)
        script = "\n".join([*self.exports, command])
        return subprocess.run(["bash", "-ec", script], check=True, capture_output=True, text=True).stdout

    def _here(self, text: str) -> str:
        """What the page says, as it is done here and today."""
        for shown, meant in self.told.items():
            text = text.replace(f"{shown}...", meant)
        return _moved(text.replace(URL, self.stack.url), self.away)

    def _page(self, answer: str) -> str:
        """What was answered, as the page says it."""
        for found in (*_ID.finditer(answer), *_SECRET.finditer(answer)):
            self.told[f"{found[1]}_" if found.re is _ID else found[1]] = found[0]
        lines = (line.rstrip() for line in answer.splitlines(keepends=False))
        answer = _ID.sub(_short, "".join(f"{line}\n" for line in lines))
        answer = _SECRET.sub(r"\1...", answer).replace(self.stack.url, URL)
        return _RECORDED.sub("...", _moved(answer, -self.away))


def laurel(command: str) -> str:
    """Run in this process, because to start each anew takes longer than all that it does."""
    awaited = next((word for start, word in AWAITED.items() if command.startswith(start)), "")
    words = shlex.split(command)[1:]
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        done = CliRunner().invoke(app_for(words[0]), words)
        assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception}"
        if awaited in done.stdout:
            return done.stdout
        assert time.monotonic() < deadline, done.stdout
        time.sleep(PAUSE_SECONDS)


def _moved(text: str, away: timedelta) -> str:
    return _DAY.sub(lambda found: str(date.fromisoformat(found[0]) + away), text)


def _short(found: re.Match[str]) -> str:
    """An id as the page writes it; in a table the column keeps its width."""
    return f"{found[1]}_...".ljust(len(found[0]) - 1) + "│" if found[2] else f"{found[1]}_..."


def followed(stack: RunningStack) -> tuple[str, Reader]:
    """The page as it should be, and who has followed it."""
    reader = Reader(stack)
    with TemporaryDirectory() as folder, chdir(folder), pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAUREL_STATE_DIR", str(stack.directory))
        environment.setenv("COLUMNS", COLUMNS)
        return _BLOCK.sub(reader.follow, PAGE.read_text()), reader


def test_whoever_follows_the_guide_is_answered_as_it_says(stack: RunningStack) -> None:
    page, reader = followed(stack)

    assert page == PAGE.read_text()
    with httpx.Client(base_url=stack.url, follow_redirects=True) as browser:
        entered = browser.post("/admin/enter", data={"link": reader.told["/admin/enter#"]})
        assert "The first two of the week" in browser.get("/admin/challenges").text, entered.text


if __name__ == "__main__":
    with running_stack() as found:
        PAGE.write_text(followed(found)[0])
