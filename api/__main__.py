"""The API process: `python -m api`."""

import gc
from functools import partial


def main() -> None:
    """Serve. Nothing is collected before: what is imported stays, and looking through it took a fifth of the start."""
    gc.disable()
    import telemetry
    from activities import failpoints
    from api import server
    from api.app import create_app
    from settings import Settings

    settings = Settings()
    telemetry.configure(settings.laurel_log_level)
    failpoints.arm(settings.laurel_failpoint)
    server.run(partial(create_app, settings), settings)


if __name__ == "__main__":
    main()
