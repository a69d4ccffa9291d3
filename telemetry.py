"""What the processes tell about themselves: JSON log lines without secrets, and Prometheus metrics.

Every line goes through one redaction, whichever library wrote it: values under names that promise a secret are hidden,
then everything in the finished line that has the form of one, tracebacks included. What a line belongs to (request_id,
event_id, workflow_id, activity_id) is bound with `structlog.contextvars`.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import orjson
import prometheus_client
import structlog

REDACTED = "[redacted]"
# They write the URLs that they call, query strings and claim links included, at info.
TALKATIVE = ("httpx", "httpcore", "uvicorn.access")
REPETITIVE = ("color_message",)  # uvicorn's event once more, for terminals
# uvicorn.access stays out: it would make lines that TALKATIVE drops, for it looks only whether somebody listens.
WRITE_THEMSELVES = ("uvicorn", "uvicorn.error", "alembic")

SECRET_NAME = re.compile(
    r"(^|[_.-])(authorization|cookie|credentials?|link|password|secrets?|secret_keys|signature|tokens?|api_?key)$"
    r"|(^|_)(database|redis|direct|owner)_url$",
    re.IGNORECASE,
)
_UNQUOTED = r"""[^\s"'\\,;<>]"""
# Group 1, where there is one, is the harmless beginning that says what was hidden.
SECRET_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(\b(?:bearer|basic)\s+){_UNQUOTED}+",
        r"(://[^\s/:@\"']*:)[^\s/@\"']+(?=@)",  # a URL's password
        rf"(/rewards/payout/|/claims?/){_UNQUOTED}+",  # whoever has the link has the gift card
        r"(\blrl_(?:live|test)_)[0-9a-z]+",
        r"(\blrl_member_)[0-9a-z._-]+",
        r"(\bwhsec_)[0-9a-z+/=_-]+",
        r"(\b(?-i:TEST|PROD)_)[0-9a-z_-]{8,}",  # a vendor's key
        r"(\bpat-[a-z0-9]+-)[0-9a-f-]{20,}",  # a CRM's access token
    )
)


def configure(level: str = "info", stream: TextIO = sys.stderr) -> None:
    """Write every log line of this process, from any library, to `stream` as redacted JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, hide_names, _render],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in WRITE_THEMSELVES:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # its warnings say what stood in a row
    sys.excepthook = _log_uncaught


def hide_names(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose name says that they are secret, however deep; drop what says nothing new."""
    return {key: _hidden(key, value) for key, value in event.items() if key not in REPETITIVE}


def _hidden(key: str, value: object) -> object:
    if SECRET_NAME.search(key):
        return REDACTED
    if isinstance(value, Mapping):
        return {str(name): _hidden(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", inner) for inner in value]
    return value


def redact(text: str) -> str:
    """The text without anything that has the form of a secret."""
    for form in SECRET_FORMS:
        text = form.sub(rf"\1{REDACTED}", text)
    return text


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return redact(orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode())


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("uncaught").critical("uncaught", exc_info=(kind, error, traceback))


def metrics_page() -> tuple[bytes, str]:
    """All of this process's metrics in Prometheus' text form, with its content type."""
    return prometheus_client.generate_latest(), prometheus_client.CONTENT_TYPE_LATEST


def serve_metrics(port: int) -> None:
    """Serve the metrics on loopback from a thread of its own, for processes that are no web server."""
    prometheus_client.start_http_server(port, addr="127.0.0.1")
