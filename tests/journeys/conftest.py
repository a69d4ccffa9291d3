"""One `laurel up` for the journeys of one process, as a person would have it."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import seed
from cli.embedded.stack import Ports
from cli.seed import SampleCompany, Sandboxes
from settings import RUNNING_STACK_FILE
from storage.database import Database
from tests.deployment import Company, around
from tests.up import LAUREL, RUNS, Up, free_ports, state_directory


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that runs, reached as its own directory says."""

    directory: Path
    ports: Ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.api}"

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.temporal_ui}"

    @property
    def sandboxes(self) -> Sandboxes:
        return Sandboxes.at(self.ports)

    @property
    def company(self) -> SampleCompany:
        return SampleCompany(**json.loads((self.directory / seed.FILE).read_text()))

    @property
    def database_url(self) -> str:
        lines = (self.directory / RUNNING_STACK_FILE).read_text().splitlines()
        return next(line for line in lines if line.startswith("DATABASE_URL=")).partition("=")[2].strip("'")

    def laurel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `laurel` beside the stack."""
        environment = {**os.environ, "LAUREL_STATE_DIR": str(self.directory), "COLUMNS": "120"}
        return subprocess.run(
            [*LAUREL, *arguments], env=environment, cwd=self.directory, capture_output=True, text=True, check=False
        )


@contextmanager
def running_stack() -> Iterator[RunningStack]:
    """One `laurel up` that is ready, while the block lasts."""
    with state_directory() as directory:
        ports = free_ports()
        up = Up(directory, ports)
        try:
            up.wait_for(RUNS)
            yield RunningStack(directory, ports)
        finally:
            up.end()


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    with running_stack() as running:
        yield running


@pytest.fixture
async def company(stack: RunningStack) -> AsyncIterator[Company]:
    """The stack's sample company; each journey has members of its own."""
    database = Database(stack.database_url, pool_size=2)
    async with around(stack.company, stack.url, stack.sandboxes, database) as company:
        yield company
    await database.dispose()
