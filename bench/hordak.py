"""django-hordak from PyPI, in an environment of its own in the user's cache: transfers between accounts."""

import asyncio
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

PACKAGES = ("django-hordak==2.0.0", "psycopg[binary]==3.3.9")

# Runs under that environment's Python: transfers as the documentation of django-hordak makes them.
PROGRAM = """
import json, os, random, sys, time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

url, accounts, transfers, threads = sys.argv[1], *map(int, sys.argv[2:])
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": urlsplit(url).path[1:],
        "USER": urlsplit(url).username, "HOST": parse_qs(urlsplit(url).query).get("host", [urlsplit(url).hostname])[0],
        "PORT": urlsplit(url).port or "", "CONN_MAX_AGE": None}},
    DEFAULT_CURRENCY="EUR", CURRENCIES=["EUR"], HORDAK_DECIMAL_PLACES=0, USE_TZ=True, SECRET_KEY="bench",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from hordak.models import Account
from djmoney.money import Money

made = [Account.objects.create(name=f"member {n}", code=str(n), type="LI", currencies=["EUR"]) for n in range(accounts)]
choose = random.Random(1)
pairs = [(*choose.sample(made, 2), choose.randint(1, 9)) for _ in range(transfers)]
def one(pair):
    source, destination, amount = pair
    source.transfer_to(destination, Money(amount, "EUR"))
one(pairs[0])
def measured(workers):
    with ThreadPoolExecutor(workers) as pool:
        began = time.perf_counter()
        list(pool.map(one, pairs))
        return transfers / (time.perf_counter() - began)
print(json.dumps(measured(threads)))
"""


async def transfers_a_second(url: str, *, accounts: int, transfers: int, threads: int) -> float:
    """So many threads make them, in a database of their own."""
    python = await asyncio.to_thread(_environment)
    arguments = (url, str(accounts), str(transfers), str(threads))
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(python, "-c", PROGRAM, *arguments, stdout=pipe, stderr=pipe)
    told, failed = await running.communicate()
    if running.returncode:
        raise RuntimeError(failed.decode()[-2_000:])
    return float(json.loads(told.splitlines()[-1]))


def _environment() -> Path:
    """Made once for this Python and these versions."""
    name = f"hordak-{PACKAGES[0].split('==')[1]}-py{sys.version_info.major}.{sys.version_info.minor}"
    directory = Path(platformdirs.user_cache_dir("laurel")) / name
    python = directory / "bin" / "python"
    if not (directory / "ready").exists():
        venv.create(directory, with_pip=True, clear=True)
        quiet = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True, env=quiet)
        (directory / "ready").touch()
    return python
