"""Connections: one configured outside system of one program, with the secrets that it takes to speak with it.

A kind declares its fields. Configuration may be read by whoever may see the connection; secrets are hidden from repr
and from errors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.programs import ProgramKind

MAX_CONFIG_LENGTH = 2_000  # characters of one field
MAX_SECRET_LENGTH = 10_000


class InvalidConnection(ValueError):
    """The fields are not what the kind declares; names fields, never a secret's value."""


@dataclass(frozen=True, slots=True)
class ConnectionField:
    """One text that a kind takes."""

    name: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class ConnectionKind:
    """What a kind of outside system takes: configuration that may be shown, and secrets that may not.

    `event_types` are those of which it brings in events; an HRIS says who works here.
    """

    name: str
    description: str
    event_types: tuple[str, ...] = field(default=(), kw_only=True)
    is_hris: bool = field(default=False, kw_only=True)
    config: tuple[ConnectionField, ...] = ()
    secrets: tuple[ConnectionField, ...] = ()


BASE_URL = ConnectionField("base_url", "Where its API is reached, if not at its usual address.", required=False)

KINDS = {
    kind.name: kind
    for kind in (
        ConnectionKind(
            "hubspot",
            "HubSpot: deals that are won become events.",
            event_types=("deal.won",),
            config=(BASE_URL,),
            secrets=(
                ConnectionField("client_secret", "The app's client secret, which signs its notices."),
                ConnectionField("access_token", "The access token with which deals and owners are read."),
            ),
        ),
        ConnectionKind(
            "bamboohr",
            "BambooHR: employees become members, their time off absences.",
            is_hris=True,
            config=(
                ConnectionField("company", "The company's name in its address, NAME.bamboohr.com."),
                BASE_URL,
                ConnectionField("probation_end_field", "The field that has the last day of probation.", required=False),
                ConnectionField("time_zone_field", "The field that has the IANA time zone.", required=False),
                ConnectionField(
                    "birthday_field",
                    "The field that has the day of birth, dateOfBirth, of which month and day are kept. Without it no "
                    "birthday is read.",
                    required=False,
                ),
                ConnectionField(
                    "promotion_reason",
                    "The reason of a change of pay by which a change of title on that day is a promotion. Without it "
                    "nobody is promoted, and no table of BambooHR's is read.",
                    required=False,
                ),
            ),
            secrets=(
                ConnectionField("api_key", "The API key with which employees and time off are read."),
                ConnectionField("webhook_key", "The private key that signs its notices.", required=False),
            ),
        ),
        ConnectionKind(
            "xapi",
            "A learning system that sends xAPI statements, with Basic or with Bearer credentials.",
            event_types=("course.completed", "course.passed"),
            secrets=(
                ConnectionField(
                    "token",
                    "What it shows: the password of Basic credentials whose user name is the connection's id, or "
                    "`<connection's id>.<token>` as a Bearer token.",
                ),
            ),
        ),
        ConnectionKind(
            "tremendous",
            "Tremendous: gift cards. A sandbox program takes a sandbox key (TEST_), a live program a live one (PROD_).",
            config=(
                BASE_URL,
                ConnectionField(
                    "funding_source_id", "What pays for orders; the account's balance if not given.", False
                ),
            ),
            secrets=(
                ConnectionField("api_key", "The API key with which cards are ordered."),
                ConnectionField("webhook_key", "The private key that signs its notices.", required=False),
            ),
        ),
        ConnectionKind(
            "slack",
            "Slack: a workspace in which people use Laurel. It is made by installing the app.",
            config=(
                ConnectionField("team_id", "The workspace's id."),
                ConnectionField("team_name", "The workspace's name."),
                ConnectionField("app_id", "The app's id."),
                ConnectionField("bot_user_id", "The user as which Laurel speaks."),
                ConnectionField("enterprise_id", "The organisation that the workspace belongs to.", required=False),
                ConnectionField(
                    "deactivation",
                    "What it means that somebody's account is deactivated: `leave`, that the member has left, or "
                    "`ignore`, that administrators are told. If not given, `ignore` where an HRIS is connected, else "
                    "`leave`.",
                    required=False,
                ),
            ),
            secrets=(ConnectionField("bot_token", "The token with which the app speaks in the workspace."),),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One outside system of one program; `secrets` are decrypted and never shown by repr."""

    id: str
    program_id: str
    kind: str
    name: str
    created_at: datetime
    config: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    rotated_at: datetime | None = None


def check(kind: str, program: ProgramKind, config: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """Raises InvalidConnection unless the fields are those that the kind declares, for this kind of program."""
    declared = KINDS.get(kind)
    if declared is None:
        raise InvalidConnection(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    _check_fields("configuration", declared.config, config, MAX_CONFIG_LENGTH)
    _check_fields("secret", declared.secrets, secrets, MAX_SECRET_LENGTH)
    if kind == "tremendous":
        _check_realm(program, secrets["api_key"])
    if kind == "bamboohr":
        _check_words(config)
    if kind == "slack" and config.get("deactivation", "ignore") not in ("ignore", "leave"):
        raise InvalidConnection("configuration field deactivation must be ignore or leave")


def _check_fields(what: str, declared: tuple[ConnectionField, ...], given: Mapping[str, str], longest: int) -> None:
    if unknown := sorted(given.keys() - {one.name for one in declared}):
        raise InvalidConnection(f"unknown {what} fields: {', '.join(unknown)}")
    if missing := [one.name for one in declared if one.required and not given.get(one.name)]:
        raise InvalidConnection(f"missing {what} fields: {', '.join(missing)}")
    for name, value in given.items():
        if not 1 <= len(value) <= longest or "\x00" in value:
            raise InvalidConnection(f"{what} field {name} must have 1 to {longest} characters, none of them NUL")


def _check_realm(program: ProgramKind, api_key: str) -> None:
    if (program is ProgramKind.SANDBOX) != api_key.startswith("TEST_"):
        raise InvalidConnection("a sandbox program takes a key that begins with TEST_, a live program any other")


def _check_words(config: Mapping[str, str]) -> None:
    """A company's name and its fields become parts of URLs."""
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", config["company"], re.ASCII):
        raise InvalidConnection("configuration field company must be a name such as acme, of acme.bamboohr.com")
    for name in ("probation_end_field", "time_zone_field", "birthday_field"):
        if name in config and not re.fullmatch(r"\w{1,64}", config[name], re.ASCII):
            raise InvalidConnection(f"configuration field {name} must be the name of one of BambooHR's fields")
