"""Log lines are JSON, say what they belong to, and never hold a secret."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

import telemetry

CANARY = "c4n4ryC4N4RYc4n4ry00112233"
FORMS = {
    "an API key": f"lrl_live_{CANARY}",
    "a sandbox API key": f"lrl_test_{CANARY}",
    "a bearer token": f"Authorization: Bearer {CANARY}",
    "basic credentials": f"authorization: basic {CANARY}==",
    "a webhook secret": f"whsec_{CANARY}==",
    "a vendor's sandbox key": f"TEST_{CANARY}",
    "a vendor's live key": f"PROD_{CANARY}",
    "a gift link": f"https://vendor.example/rewards/payout/{CANARY}?x=1",
    "a claim link": f"https://laurel.example/claim/{CANARY}",
    "a database's password": f"postgresql://laurel_app:{CANARY}@db.example/laurel",
    "a Redis password": f"redis://:{CANARY}@cache.example:6379/0",
    "a CRM's token": "pat-eu1-c4c4c4c4-0011-2233-4455-667788990011",
}
NAMES = (
    "password",
    "api_key",
    "access_token",
    "client_secret",
    "Authorization",
    "link",
    "laurel_secret_keys",
    "secrets",
)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the process logs, from debug on; its logging is as before afterwards."""
    root, hook = logging.getLogger(), sys.excepthook
    before = root.handlers[:], root.level
    stream = io.StringIO()
    telemetry.configure("debug", stream)
    yield stream
    root.handlers[:], root.level = before
    sys.excepthook = hook
    logging.captureWarnings(False)
    structlog.reset_defaults()


def written(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_a_secret_in_a_message_an_argument_or_a_field_is_hidden(lines: io.StringIO, text: str) -> None:
    log = structlog.get_logger()
    log.info(text)
    log.info("sent", header=text, deep={"list": [{"of": (text,)}]}, raw=text.encode())
    logging.getLogger("library").warning("called %s", text, extra={"more": text})

    assert len(written(lines)) == 3
    assert CANARY not in lines.getvalue()
    assert "c4c4c4c4-0011" not in lines.getvalue()
    assert lines.getvalue().count(telemetry.REDACTED) >= 5


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_a_secret_in_a_traceback_is_hidden(lines: io.StringIO, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        structlog.get_logger().exception("failed")
        sys.excepthook(ValueError, error, error.__traceback__)

    assert [line["event"] for line in written(lines)] == ["failed", "uncaught"]
    assert "ValueError" in lines.getvalue()
    assert CANARY not in lines.getvalue()
    assert "c4c4c4c4-0011" not in lines.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_value_under_a_secret_name_is_hidden_however_deep(lines: io.StringIO, name: str) -> None:
    structlog.get_logger().info("kept", inner={"list": [{name: "plain words"}]}, **{name: "plain words"})

    assert "plain words" not in lines.getvalue()


def test_names_and_values_that_only_resemble_secrets_stay(lines: io.StringIO) -> None:
    fields = {"key_id": "k1", "idempotency_key": "order-7", "order_key": "ord_1", "event_id": "evt_1", "tokens_used": 3}
    structlog.get_logger().info("basics of https://laurel.example/v1/orders", **fields)

    line = written(lines)[0]
    assert {name: line[name] for name in fields} == fields
    assert line["event"] == "basics of https://laurel.example/v1/orders"


def test_a_line_says_what_it_belongs_to(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="req_1", event_id="evt_1"):
        structlog.get_logger("door").info("recorded")
        logging.getLogger("library").warning("slow")

    for line in written(lines):
        assert line["request_id"] == "req_1"
        assert line["event_id"] == "evt_1"
        assert line["at"]
        assert line["logger"] in ("door", "library")
        assert line["level"] in ("info", "warning")


def test_libraries_that_log_whole_urls_are_quiet(lines: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://example.com/secret-path")

    assert lines.getvalue() == ""


def test_the_metrics_page_is_prometheus_text() -> None:
    page, content_type = telemetry.metrics_page()

    assert b"python_info" in page
    assert content_type.startswith("text/plain")
