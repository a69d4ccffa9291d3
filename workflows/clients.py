"""Connections to Temporal, all with the same plugin."""

from temporalio.client import Client

from storage.keyring import Keyring
from workflows.plugin import LaurelPlugin


async def connect(address: str, namespace: str, keyring: Keyring, *, lazy: bool = False) -> Client:
    """A client; a lazy one connects at its first call, so that a process can start while Temporal is away.

    Raises RuntimeError if Temporal does not answer.
    """
    return await Client.connect(address, namespace=namespace, plugins=[LaurelPlugin(keyring)], lazy=lazy)
