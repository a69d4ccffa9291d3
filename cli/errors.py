"""What a command says when it cannot do its work."""

from pydantic import ValidationError


class CommandFailed(Exception):
    """The command could not do its work; the message is for the operator and holds no secret."""


def settings_fault(error: ValidationError) -> str:
    """Each wrong setting by the name it has in the environment; never a value."""
    told = [(fault["loc"], fault["msg"].removeprefix("Value error, ")) for fault in error.errors()]
    faults = [(str(location[0]).upper() if location else "", message) for location, message in told]
    return "; ".join(f"{name}: {message}" if name else message for name, message in faults)
