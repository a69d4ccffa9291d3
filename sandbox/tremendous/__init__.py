"""A local server that speaks Tremendous' API version 2, with fault knobs under /_control and an inbox at /inbox.

`python -m sandbox.tremendous --port 4810` runs it; tests make it with `create_app`.
"""

from sandbox.tremendous.app import create_app

__all__ = ["create_app"]
