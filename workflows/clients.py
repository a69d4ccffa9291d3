"""Connections to Temporal, all with the same plugin."""

import logging

from temporalio.client import Client
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from storage.keyring import Keyring
from workflows.plugin import LaurelPlugin


async def connect(address: str, namespace: str, keyring: Keyring, *, lazy: bool = False) -> Client:
    """A client; a lazy one connects at its first call, so that a process can start while Temporal is away.

    Raises RuntimeError if Temporal does not answer.
    """
    return await Client.connect(address, namespace=namespace, plugins=[LaurelPlugin(keyring)], lazy=lazy)


def log_like_everybody() -> None:
    """Have the SDK's core write its warnings through Python's logging; once in a process, before its first client."""
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    only_warnings = TelemetryFilter(core_level="WARN", other_level="ERROR")
    Runtime.set_default(
        Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=only_warnings, forwarding=forwarding)))
    )
