"""What Schemathesis checks besides its own checks: data that fit the schema are never called invalid.

Its own check of accepted data takes every 422 for a contradiction; here some are honest: an unknown event type, a used
Idempotency-Key, somebody else's cursor. Valid bodies name whom there is, or most of them would name nobody.
"""

import json
import os
from typing import Any

import schemathesis

# The environment's variable that says, as JSON, what is there by the names of fields.
NAMED = "LAUREL_JUDGE_NAMED"


@schemathesis.check
def valid_data_are_not_called_invalid(ctx: Any, response: Any, case: Any) -> None:
    """A 422 for data that Schemathesis made to fit is a refusal with a code of its own."""
    if case.meta and case.meta.generation.mode.is_positive and response.status_code == 422:
        assert response.json()["code"] != "invalid_request", response.text


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """A valid body is about the member and the transaction that are there."""
    if case.meta and case.meta.generation.mode.is_positive:
        case.body = _about(case.body, json.loads(os.environ[NAMED]))


def _about(body: Any, named: dict[str, str]) -> Any:
    if isinstance(body, list):
        return [_about(part, named) for part in body]
    if isinstance(body, dict):
        return {name: named.get(name, _about(part, named)) for name, part in body.items()}
    return body
