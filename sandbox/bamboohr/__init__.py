"""A local BambooHR: employees, their tables, time off and signed notices in BambooHR's wire format, with faults."""

from sandbox.bamboohr.app import create_app

__all__ = ["create_app"]
