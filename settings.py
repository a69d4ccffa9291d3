"""What an operator can set: the only reader of the environment.

A value is taken from the environment, then from the file named by its `_FILE` variable (secrets only), then from
`.env`, then from what a running `laurel up` wrote for the commands beside it, then from the default. Composition roots
make one `Settings()` and pass it on. docs/settings.md and .env.example say the same as the descriptions, by a test.
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

AES_KEY_BYTES = 32
SECRET_FILE_MAX_BYTES = 64 * 1024
DEVELOPMENT_KEYS = "development:bGF1cmVsLWRldmVsb3BtZW50LWtleS1ub3Qtc2VjcmU="
DEVELOPMENT_SIGNING_KEYS = "development:bGF1cmVsLWRldmVsb3BtZW50LXNpZ25pbmcta2V5LS0="
RUNNING_STACK_FILE = "up.env"


class SecretKeys(Mapping[str, bytes]):
    """AES-256 keys by key id, newest first; the first one encrypts, all of them decrypt. Never shown by repr."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._keys = dict(keys)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "id:base64,id:base64"; raises ValueError that names the id, never the key."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = part.partition(":")
            if not key_id or not encoded:
                raise ValueError("each key is written as id:base64")
            if key_id in keys:
                raise ValueError(f"key {key_id!r} is given twice")
            keys[key_id] = _decode_key(key_id, encoded)
        return cls(keys)

    @property
    def current_id(self) -> str:
        """The id of the key that encrypts."""
        return next(iter(self._keys))

    @property
    def current(self) -> bytes:
        """The key that encrypts."""
        return self._keys[self.current_id]

    def __getitem__(self, key_id: str) -> bytes:
        return self._keys[key_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"SecretKeys({', '.join(self._keys)})"


def _decode_key(key_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError(f"key {key_id!r} is not base64") from None
    if len(key) != AES_KEY_BYTES:
        raise ValueError(f"key {key_id!r} has {len(key)} bytes, not {AES_KEY_BYTES}")
    return key


def _parse_keys(value: object) -> object:
    return SecretKeys.parse(value) if isinstance(value, str) else value


class FileSource(PydanticBaseSettingsSource):
    """Reads a setting from the file that `<NAME>_FILE` points at; naming both a value and a file is an error."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = field_name.upper()
        path = os.environ.get(f"{name}_FILE")
        if path is None or not _may_be_file(field):
            return None, field_name, False
        if name in os.environ:
            raise ValueError(f"{name} and {name}_FILE are both set: give one")
        return _read_secret(name, Path(path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _may_be_file(field: FieldInfo) -> bool:
    return isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret") is True


def _read_secret(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SECRET_FILE_MAX_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}_FILE: cannot read {path}: {type(error).__name__}") from None


SECRET: dict[str, Any] = {"secret": True}


class Settings(BaseSettings):
    """Everything an operator can set. Names in the environment are the field names in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    laurel_env: Literal["development", "production"] = Field(
        "development",
        description="`production` refuses the default secret keys, an http public URL and the embedded servers. "
        "Danger: in development anyone who can reach the loopback interface is trusted by the codec endpoint.",
    )
    laurel_host: str = Field(
        "127.0.0.1",
        description="The address on which the API listens. Danger: `0.0.0.0` opens it to the network; "
        "put a TLS proxy in front.",
    )
    laurel_port: int = Field(8700, ge=1, le=65535, description="The TCP port on which the API listens.")
    laurel_public_url: str = Field(
        "http://127.0.0.1:8700",
        description="How the outside reaches the API, without a trailing slash. Danger: webhook signatures are made "
        "over this URL, so a wrong one makes every signed notice fail.",
    )
    laurel_state_dir: Path = Field(
        Path(".laurel"),
        description="Where `laurel up` keeps its databases and logs. Danger: deleting it deletes the embedded data.",
    )
    laurel_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe log line that is written, as JSON on standard error."
    )
    laurel_secret_keys: Annotated[SecretKeys, NoDecode, BeforeValidator(_parse_keys)] = Field(
        SecretKeys.parse(DEVELOPMENT_KEYS),
        description="AES-256 keys as `id:base64,id:base64`: the first encrypts stored secrets and Temporal payloads, "
        "all decrypt. Default: a key that is public. Danger: what was encrypted under a removed key is lost; rotate by "
        "adding a key in front, re-encrypting, then removing the old one.",
        repr=False,
        json_schema_extra=SECRET,
    )
    laurel_operator_token: SecretStr | None = Field(
        None,
        description="The operator's bearer credential for the payload codec endpoint. Default: none, and the endpoint "
        "answers only the embedded UI on loopback. Danger: whoever has it reads every workflow's payloads.",
        repr=False,
        json_schema_extra=SECRET,
    )
    ledger_signing_keys: Annotated[SecretKeys, NoDecode, BeforeValidator(_parse_keys)] = Field(
        SecretKeys.parse(DEVELOPMENT_SIGNING_KEYS),
        description="Ed25519 seeds of 32 bytes as `id:base64,id:base64`: the first signs checkpoints of the ledger, "
        "all verify them. Default: a key that is public. Danger: whoever has it can sign a history of their own; "
        "rotate by adding a key in front, and keep the old ones for as long as their checkpoints are to verify.",
        repr=False,
        json_schema_extra=SECRET,
    )
    ledger_checkpoint_file: Path | None = Field(
        None,
        description="A file to which workers append each signed checkpoint; best where the database's administrators "
        "cannot write. Default: none.",
    )
    ledger_checkpoint_url: str | None = Field(
        None,
        description="A URL to which workers post each signed checkpoint, as text. Default: none.",
        repr=False,
        json_schema_extra=SECRET,
    )
    general_ledger_chart: Path | None = Field(
        None,
        description="A YAML file that says which accounts of the general ledger journals name; see "
        "[reports](reports.md). Default: the built-in chart.",
    )
    database_url: str = Field(
        "postgresql://laurel_app@127.0.0.1:5432/laurel",
        description="PostgreSQL 15 to 18 as the application role. Setting it replaces the embedded server. Danger: an "
        "owner's role here takes away the protection of the ledger's entries.",
        repr=False,
        json_schema_extra=SECRET,
    )
    database_direct_url: str | None = Field(
        None,
        description="The same database without a transaction pooler, for LISTEN. Default: DATABASE_URL.",
        repr=False,
        json_schema_extra=SECRET,
    )
    database_owner_url: str | None = Field(
        None,
        description="The same database as the role that owns the schema, for `laurel db upgrade`. Default: "
        "DATABASE_URL. Danger: this role can change ledger entries; give it to migrations only.",
        repr=False,
        json_schema_extra=SECRET,
    )
    database_pool_size: int = Field(
        10, ge=1, le=200, description="Connections that one process keeps open. Danger: processes times pool must stay "
        "below the server's max_connections.",
    )  # fmt: skip
    redis_url: str = Field(
        "redis://127.0.0.1:8703/0",
        description="Redis 7 or newer for boards and rate limits. Setting it replaces the embedded one. Losing its "
        "data is harmless: `laurel leaderboards rebuild`.",
        repr=False,
        json_schema_extra=SECRET,
    )
    temporal_address: str = Field(
        "127.0.0.1:8704",
        description="host:port of a Temporal server, 1.32 or newer. Setting it replaces the embedded one.",
    )
    temporal_namespace: str = Field(
        "default",
        description="The Temporal namespace. Danger: two deployments in one namespace take each other's work.",
    )
    temporal_ui_url: str = Field(
        "http://127.0.0.1:8705", description="Where Temporal's web UI is, for links, without a trailing slash."
    )
    worker_metrics_port: int = Field(
        8706, ge=1, le=65535, description="The TCP port on loopback where the worker serves Prometheus metrics."
    )
    http_connections: int = Field(
        800,
        ge=1,
        le=100_000,
        description="TCP connections that one API process keeps open; beyond them a newcomer takes the place of who "
        "has kept it waiting longest. Danger: each takes a file descriptor, so the process's limit (`ulimit -n`) must "
        "be higher.",
    )
    http_patience_seconds: int = Field(
        20,
        ge=1,
        le=3600,
        description="How long a caller may stay connected without sending the whole head of a request, or without "
        "taking the answer. Danger: a proxy that keeps idle connections for longer than this now and then uses one "
        "that has just been closed.",
    )
    requests_per_minute: int = Field(
        12_000,
        ge=1,
        le=10_000_000,
        description="Requests that one API key, or one connection's system, may make in a minute, over all API "
        "processes; beyond it they get 429.",
    )
    admin_requests_per_minute: int = Field(
        600,
        ge=1,
        le=10_000_000,
        description="Requests to the pages of administrators that one person who is signed in, or one address from "
        "which somebody signs in, may make in a minute, over all API processes. Danger: behind a proxy on another "
        "machine, all addresses are the proxy's.",
    )
    tremendous_requests_per_second: float = Field(
        10.0,
        gt=0,
        le=10_000,
        description="Calls that all workers together make to Tremendous in a second: its documented limit for one "
        "account. Danger: more than your account is allowed makes orders wait for 429s.",
    )
    slack_client_id: str | None = Field(
        None,
        description="The Slack app's client id, from its Basic Information page, for installing it into workspaces. "
        "Default: none, and nothing can be installed; see [Slack](slack.md).",
    )
    slack_client_secret: SecretStr | None = Field(
        None,
        description="The Slack app's client secret, which a code of an installation is exchanged with. Default: none.",
        repr=False,
        json_schema_extra=SECRET,
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        description="The Slack app's signing secret, by which requests are known to be Slack's. Default: none, and "
        "`/slack/events` takes nothing. Danger: whoever has it can act as anybody in every workspace.",
        repr=False,
        json_schema_extra=SECRET,
    )
    slack_app_token: SecretStr | None = Field(
        None,
        description="The Slack app's app-level token (`xapp-`) for Socket Mode, `laurel slack socket`. Default: none.",
        repr=False,
        json_schema_extra=SECRET,
    )
    slack_api_url: str = Field(
        "https://slack.com/api/",
        description="Where Slack's Web API is, with its trailing slash; people approve the app beside it, at "
        "`../oauth/v2/authorize`. Danger: bot tokens are sent there.",
    )
    expiry_lots_per_second: float = Field(
        1_000.0,
        gt=0,
        le=1_000_000,
        description="How many lots an expiry run expires, releases, refills or warns of in a second, pauses included. "
        "Danger: as fast as it can, it takes the database from everybody else.",
    )
    shutdown_seconds: int = Field(
        20,
        ge=1,
        le=600,
        description="How long the API and the worker may finish what they have begun. Danger: a supervisor that kills "
        "earlier than this makes activities run twice.",
    )
    laurel_failpoint: str = Field(
        "",
        description="Named points at which the API or the worker kills itself or hangs, as `name:kill,name:hang`, for "
        "fault tests. Danger: it does; `production` refuses it.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; the last one lets commands find the stack that `laurel up` runs here."""
        return init_settings, env_settings, FileSource(settings_cls), dotenv_settings, RunningStackSource(settings_cls)

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        if self.laurel_env == "production":
            faults = list(self._unsafe())
            if faults:
                raise ValueError("LAUREL_ENV=production: " + "; ".join(faults))
        return self

    def _unsafe(self) -> Iterator[str]:
        if SecretKeys.parse(DEVELOPMENT_KEYS).current in self.laurel_secret_keys.values():
            yield "LAUREL_SECRET_KEYS must be set to keys of your own"
        if SecretKeys.parse(DEVELOPMENT_SIGNING_KEYS).current in self.ledger_signing_keys.values():
            yield "LEDGER_SIGNING_KEYS must be set to keys of your own"
        if not self.laurel_public_url.startswith("https://"):
            yield "LAUREL_PUBLIC_URL must be an https URL"
        if (self.laurel_state_dir / RUNNING_STACK_FILE).exists():
            yield f"LAUREL_STATE_DIR {self.laurel_state_dir} belongs to `laurel up`"
        if self.laurel_failpoint:
            yield "LAUREL_FAILPOINT must not be set"
        for name in EMBEDDABLE:
            if name not in self.model_fields_set:
                yield f"{name.upper()} must name a real server"

    @property
    def listen_url(self) -> str:
        """The database for LISTEN, which a transaction pooler cannot carry."""
        return self.database_direct_url or self.database_url

    @property
    def owner_url(self) -> str:
        """The database as the role that may migrate."""
        return self.database_owner_url or self.database_url

    def embedded(self, name: str) -> bool:
        """Whether `laurel up` must start the server of this setting, because nobody named a real one."""
        return name not in self.model_fields_set


EMBEDDABLE = ("database_url", "redis_url", "temporal_address")


class RunningStackSource(DotEnvSettingsSource):
    """What `laurel up` wrote into the state directory; nothing when no stack runs."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        state_dir = Path(os.environ.get("LAUREL_STATE_DIR") or ".laurel")
        super().__init__(settings_cls, env_file=state_dir / RUNNING_STACK_FILE)


class OwnSettings(Settings):
    """What the operator set, without what a running stack says: for `laurel up`, which decides what to start."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out the last source."""
        return super().settings_customise_sources(settings_cls, *sources, **named)[:-1]
