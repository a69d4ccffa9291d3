"""The API process: `python -m api`."""

from functools import partial

import telemetry
from activities import failpoints
from api import server
from api.app import create_app
from settings import Settings

if __name__ == "__main__":
    settings = Settings()
    telemetry.configure(settings.laurel_log_level)
    failpoints.arm(settings.laurel_failpoint)
    server.run(partial(create_app, settings), settings)
