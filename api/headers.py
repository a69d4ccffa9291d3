"""A request's headers, read where they lie: Starlette's own mapping encodes every name that it is asked for."""

from starlette.types import Scope


def find(scope: Scope, name: bytes) -> str | None:
    """The first header of this name (in lower case), if there is one."""
    for key, value in scope["headers"]:
        if key == name:
            found: str = value.decode("latin-1")
            return found
    return None
