"""django-hordak from PyPI, in an environment of its own in the user's cache: transfers between accounts.

Two ways: bare as its documentation makes them, which lets anybody give what they do not have; and covered, in one
transaction with a lock on the giver and a look at the balance, which is nearer to what a command of ours promises.
"""

import asyncio
import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import platformdirs

PACKAGES = ("django-hordak==2.0.0", "psycopg[binary]==3.3.9")

# Transfers a second, by the way they are made and the number of threads that make them.
Rates = dict[str, dict[int, float]]

# Runs under that environment's Python.
PROGRAM = """
import json, os, random, sys, time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

url, accounts, transfers, *threads = sys.argv[1], *map(int, sys.argv[2:])
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
from django.db import transaction
from hordak.models import Account
from djmoney.money import Money

# Assets, from which a transfer takes; what is transferred from a liability is added to it.
def opened(n):
    return Account.objects.create(name=f"account {n}", code=str(n), type="AS", currencies=["EUR"])
bank, *made = map(opened, range(accounts + 1))
for account in made:
    bank.transfer_to(account, Money(1_000_000, "EUR"))
choose = random.Random(1)
pairs = [(*choose.sample(made, 2), choose.randint(1, 9)) for _ in range(transfers)]
def bare(pair):
    source, destination, amount = pair
    source.transfer_to(destination, Money(amount, "EUR"))
def covered(pair):
    source, destination, amount = pair
    with transaction.atomic():
        locked = Account.objects.select_for_update(no_key=True).get(pk=source.pk)
        if locked.get_simple_balance() < Money(amount, "EUR"):
            raise RuntimeError("more than there is")
        locked.transfer_to(destination, Money(amount, "EUR"))
def measured(way, workers):
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(way, pairs[:workers]))  # who has a connection now
        began = time.perf_counter()
        list(pool.map(way, pairs))
        return transfers / (time.perf_counter() - began)
print(json.dumps({way.__name__: {workers: measured(way, workers) for workers in threads} for way in (bare, covered)}))
"""


async def transfers_a_second(url: str, *, accounts: int, transfers: int, threads: Sequence[int]) -> Rates:
    """Each number of threads makes as many transfers in each way, one after the other, in one database of their own."""
    python = await asyncio.to_thread(_environment)
    arguments = (url, *map(str, (accounts, transfers, *threads)))
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(python, "-c", PROGRAM, *arguments, stdout=pipe, stderr=pipe)
    told, failed = await running.communicate()
    if running.returncode:
        raise RuntimeError(failed.decode()[-2_000:])
    by_way = json.loads(told.splitlines()[-1])
    return {way: {int(workers): rate for workers, rate in rates.items()} for way, rates in by_way.items()}


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
