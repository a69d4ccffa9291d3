"""The embedded PostgreSQL keeps its data, has the two roles and is reachable by its own socket only."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cli.embedded.postgres import APPLICATION, DURABLE, OWNER, SUPERUSER, Cluster, WrongVersion, answers
from cli.embedded.processes import Child


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's user can walk to, unlike pytest's own when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="laurel-postgres-"))
    yield path
    shutil.rmtree(path)


def start(cluster: Cluster) -> Child:
    cluster.initialise()
    child = Child.start(cluster.program(cluster.data.parent / "log", DURABLE))
    cluster.create_database()
    return child


def test_data_and_roles_survive_a_restart(place: Path) -> None:
    cluster = Cluster(place / "data")
    first = start(cluster)
    with psycopg.connect(cluster.url(OWNER)) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
        connection.execute(f"GRANT SELECT ON kept TO {APPLICATION}")
    first.stop()

    second = start(cluster)
    with psycopg.connect(cluster.url()) as connection:
        found = connection.execute("SELECT n, current_user FROM kept").fetchone()
    second.stop()

    assert found == (7, APPLICATION)
    assert not answers(cluster.url())


def test_the_server_listens_on_no_network_and_keeps_its_socket_private(place: Path) -> None:
    cluster = Cluster(place / "data")
    child = start(cluster)
    try:
        with psycopg.connect(cluster.url(SUPERUSER, "postgres")) as connection:
            addresses = connection.execute("SHOW listen_addresses").fetchone()
    finally:
        child.stop()

    assert addresses == ("",)
    assert cluster.sockets.stat().st_mode & 0o077 == 0


def test_a_long_path_gets_a_short_private_socket_directory(place: Path) -> None:
    cluster = Cluster(place / ("long" * 30) / "data")
    child = start(cluster)
    try:
        assert answers(cluster.url())
        assert cluster.sockets != cluster.data
        assert cluster.sockets.stat().st_mode & 0o077 == 0
    finally:
        child.stop()
        shutil.rmtree(cluster.sockets)


def test_data_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("17\n")

    with pytest.raises(WrongVersion, match="made by PostgreSQL 17"):
        Cluster(tmp_path).initialise()
