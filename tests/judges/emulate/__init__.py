"""npm's `emulate` as a Slack that somebody else wrote: installed once as its lock says, and started on a free port."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs

from cli.embedded.ports import free_port
from cli.embedded.processes import Child, Program
from cli.embedded.stack import responds

HERE = Path(__file__).parent
NODE = shutil.which("node") and shutil.which("npm")
INSTALL_SECONDS = 300


def install() -> str:
    """The program; its directory in the user's cache is named after the lock, and is there whole or not at all."""
    lock = (HERE / "package-lock.json").read_bytes()
    directory = platformdirs.user_cache_path("laurel") / f"emulate-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not directory.exists():
        making = directory.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, making)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=making,
            check=True,
            timeout=INSTALL_SECONDS,
            capture_output=True,
        )
        making.rename(directory)
    return str(directory / "node_modules" / "emulate" / "dist" / "index.js")


@contextmanager
def running_emulate(program: str, seed: Mapping[str, Any], directory: Path) -> Iterator[str]:
    """The base URL of a Slack that begins as the seed says."""
    port, file = free_port(), directory / "seed.json"
    file.write_text(json.dumps({"slack": seed}))
    argv = ["node", program, "start", "-s", "slack", "-p", str(port), "--seed", str(file)]
    url = f"http://127.0.0.1:{port}"
    child = Child.start(Program("emulate", argv, directory / "emulate.log", ready=partial(responds, url)))
    try:
        yield url
    finally:
        child.stop()
