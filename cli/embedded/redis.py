"""An embedded Redis: redis-server where it is installed, else a stand-in in Python that speaks the same protocol."""

import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from fakeredis import TcpFakeServer

from cli.embedded.processes import Program

ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Redis:
    """One embedded Redis on loopback; `directory` keeps its data between runs, None keeps nothing."""

    port: int
    directory: Path | None = None

    @property
    def kind(self) -> str:
        """Which of the two it is, for people."""
        return "redis-server" if shutil.which("redis-server") else "fakeredis, which forgets everything at a stop"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def program(self, log: Path) -> Program:
        """How to run it."""
        return Program(
            name="Redis", argv=self._real() or self._stand_in(), log=log, ready=lambda: answers("127.0.0.1", self.port)
        )

    def _real(self) -> list[str]:
        binary = shutil.which("redis-server")
        if binary is None:
            return []
        if self.directory:
            self.directory.mkdir(parents=True, exist_ok=True)
        keep = ["--dir", str(self.directory), "--save", "60 1"] if self.directory else ["--save", ""]
        return [binary, "--bind", "127.0.0.1", "--port", str(self.port), "--appendonly", "no", *keep]

    def _stand_in(self) -> list[str]:
        return [sys.executable, "-m", "cli.embedded.redis", str(self.port)]


def answers(host: str, port: int) -> bool:
    """Whether a Redis answers PING there."""
    try:
        with socket.create_connection((host, port), ANSWER_SECONDS) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


if __name__ == "__main__":
    TcpFakeServer(("127.0.0.1", int(sys.argv[1]))).serve_forever()
