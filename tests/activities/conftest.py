"""Activities run as plain functions, on a real database and against a vendor's sandbox."""

from tests.workflows.conftest import knobs, sandbox, shop

__all__ = ["knobs", "sandbox", "shop"]
