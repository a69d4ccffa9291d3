"""What Schemathesis checks besides its own checks: data that fit the schema are never called invalid.

Its own check of accepted data takes every 422 for a contradiction; here some are honest: an unknown event type, a used
Idempotency-Key, somebody else's cursor.
"""

from typing import Any

import schemathesis


@schemathesis.check
def valid_data_are_not_called_invalid(ctx: Any, response: Any, case: Any) -> None:
    """A 422 for data that Schemathesis made to fit is a refusal with a code of its own."""
    if case.meta and case.meta.generation.mode.is_positive and response.status_code == 422:
        assert response.json()["code"] != "invalid_request", response.text
