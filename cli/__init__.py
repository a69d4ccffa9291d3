"""`laurel` on the command line: each module here is one noun, with a typer app that `cli.commands` collects."""

import sys


def main() -> None:
    """Run the command; what an operator can put right ends with one line and status 1, not with a traceback."""
    from pydantic import ValidationError
    from sqlalchemy.exc import OperationalError

    from cli.commands import app_for
    from cli.errors import CommandFailed, settings_fault

    try:
        app_for(next(iter(sys.argv[1:]), None))()
    except CommandFailed as error:
        sys.exit(f"laurel: {error}")
    except ValidationError as error:
        if error.title not in ("Settings", "OwnSettings"):
            raise
        sys.exit(f"laurel: {settings_fault(error)}")
    except OperationalError:
        sys.exit("laurel: the database does not answer; is `laurel up` running, or is DATABASE_URL right?")
