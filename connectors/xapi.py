"""xAPI (1.0.3 and 2.0.0), a source: statements of learning as an LMS sends them, and what of them is a fact here.

A statement is immutable under its id: the same id with the same content is a repeat, with other content a conflict.
Only completed and passed activities are facts, and voiding takes them back; any other statement is kept, no more.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from connectors.errors import BadSignature, MalformedNotice, TooLarge, WrongVersion
from connectors.sources import Request, load_json, require_json, require_size
from domain.events import Event, Identity, SourcePolicy

KIND = "xapi"
POLICY = SourcePolicy(amendments="conflict")

BODY_MAX_BYTES = 4 * 2**20
STATEMENTS_MAX = 500
NAME_MAX_CHARACTERS = 200
IDENTITY_MAX_CHARACTERS = 320

COMPLETED = "http://adlnet.gov/expapi/verbs/completed"
PASSED = "http://adlnet.gov/expapi/verbs/passed"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
EVENT_TYPES = {COMPLETED: "course.completed", PASSED: "course.passed"}
STATEMENT_VOIDED = "statement.voided"

_VERSIONS = {"1.0": "1.0.3", "2.0": "2.0.0"}
_FAULTS_TOLD = 5
_FAULTS_MAX_CHARACTERS = 1000

Json = dict[str, Any]

# -- Who is believed -----------------------------------------------------------------------------------------------


def verify(request: Request, secret: str, now: datetime) -> None:
    """Raises TooLarge, BadSignature, WrongVersion or WrongContentType unless the LMS's credentials are the secret."""
    require_size(request, BODY_MAX_BYTES)
    _, given = credentials(request)
    if not hmac.compare_digest(given.encode(errors="replace"), secret.encode()):
        raise BadSignature("the credentials are not the connection's")
    answer_version(request)
    if request.method != "GET":
        require_json(request)


def credentials(request: Request) -> tuple[str, str]:
    """The connection's id and secret: Basic as user and password, Bearer as `id.secret`; raises BadSignature."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        connection_id, found, secret = _decoded(value).partition(":")
    elif scheme.lower() == "bearer":
        connection_id, found, secret = value.strip().partition(".")
    else:
        raise BadSignature("Basic or Bearer credentials are needed")
    if not found:
        raise BadSignature("the credentials name no connection")
    return connection_id, secret


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value.strip(), validate=True).decode()
    except (ValueError, binascii.Error):
        raise BadSignature("Basic credentials are base64 of UTF-8") from None


def answer_version(request: Request) -> str:
    """The X-Experience-API-Version to answer with; raises WrongVersion unless 1.0.x or 2.0.x was asked for."""
    asked = request.headers.get("x-experience-api-version", "")
    if not re.fullmatch(r"(1\.0(\.\d{1,3})?|2\.0\.\d{1,3})", asked, re.ASCII):
        raise WrongVersion("X-Experience-API-Version must be 1.0.x or 2.0.x")
    return _VERSIONS[asked[:3]]


# -- Statements ----------------------------------------------------------------------------------------------------

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_IRI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_MBOX = re.compile(r"mailto:[^\s@:]+@[^\s@]+")
_NAME = re.compile(r"[^\x00-\x1f\x7f]+")
_LANGUAGE = re.compile(r"([a-zA-Z]{2,8}|[xi])(-[a-zA-Z0-9]{1,8})*")
_DURATION = re.compile(
    r"P(\d+(\.\d+)?W|(?=\d|T\d)(\d+(\.\d+)?Y)?(\d+(\.\d+)?M)?(\d+(\.\d+)?D)?"
    r"(T(?=\d)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?)"
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?", re.IGNORECASE)


def _of(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"not {what}")
        return value

    return AfterValidator(check)


def parse_timestamp(value: str) -> datetime:
    """An ISO 8601 date and time as an aware instant, UTC where no zone is given; raises ValueError."""
    if not _TIMESTAMP.fullmatch(value) or re.search(r"-00(:?00)?$", value):
        raise ValueError("not a timestamp")
    # More digits than microseconds are cut off: the specification asks for milliseconds.
    instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.upper()))
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _timestamp(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not a timestamp")
    try:
        return parse_timestamp(value)
    except OverflowError:
        raise ValueError("not a timestamp") from None


Uuid = Annotated[str, _of(_UUID, "a UUID")]
Iri = Annotated[str, _of(_IRI, "an IRI with a scheme")]
Mbox = Annotated[str, Field(max_length=IDENTITY_MAX_CHARACTERS), _of(_MBOX, "a mailto IRI")]
Sha1 = Annotated[str, _of(re.compile("[0-9a-fA-F]{40}"), "a hex SHA-1")]
Duration = Annotated[str, _of(_DURATION, "an ISO 8601 duration")]
Language = Annotated[str, _of(_LANGUAGE, "a language tag")]
LanguageMap = dict[Language, str]
Extensions = dict[Iri, Any]
Timestamp = Annotated[datetime, BeforeValidator(_timestamp)]
Version = Annotated[str, _of(re.compile(r"(1\.0(\.\d+)?|2\.0\.\d+)"), "a version 1.0.x or 2.0.x")]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


class Account(_Part):
    home_page: Annotated[Iri, Field(max_length=IDENTITY_MAX_CHARACTERS)]
    name: Annotated[str, Field(max_length=IDENTITY_MAX_CHARACTERS), _of(_NAME, "a name without control characters")]


class _Identified(_Part):
    name: str | None = None
    mbox: Mbox | None = None
    mbox_sha1sum: Annotated[Sha1 | None, Field(alias="mbox_sha1sum")] = None
    openid: Annotated[Iri, Field(max_length=IDENTITY_MAX_CHARACTERS)] | None = None
    account: Account | None = None

    def identifiers(self) -> int:
        return sum(given is not None for given in (self.mbox, self.mbox_sha1sum, self.openid, self.account))


class Agent(_Identified):
    """One person or system, named by exactly one inverse functional identifier."""

    object_type: Literal["Agent"] = "Agent"

    @model_validator(mode="after")
    def _one_identifier(self) -> "Agent":
        if self.identifiers() != 1:
            raise ValueError("an agent has exactly one of mbox, mbox_sha1sum, openid and account")
        return self


class Group(_Identified):
    """Several agents: identified by one identifier, or anonymous with its members listed."""

    object_type: Literal["Group"]
    member: list[Agent] | None = None

    @model_validator(mode="after")
    def _one_identifier_or_members(self) -> "Group":
        if self.identifiers() > 1 or (self.identifiers() == 0 and not self.member):
            raise ValueError("a group has exactly one identifier, or none and members")
        return self


class Verb(_Part):
    id: Iri
    display: LanguageMap | None = None


class InteractionComponent(_Part):
    id: str
    description: LanguageMap | None = None


class Definition(_Part):
    name: LanguageMap | None = None
    description: LanguageMap | None = None
    type: Iri | None = None
    more_info: Iri | None = None
    extensions: Extensions | None = None
    interaction_type: (
        Literal[
            "true-false",
            "choice",
            "fill-in",
            "long-fill-in",
            "matching",
            "performance",
            "sequencing",
            "likert",
            "numeric",
            "other",
        ]
        | None
    ) = None
    correct_responses_pattern: list[str] | None = None
    choices: list[InteractionComponent] | None = None
    scale: list[InteractionComponent] | None = None
    source: list[InteractionComponent] | None = None
    target: list[InteractionComponent] | None = None
    steps: list[InteractionComponent] | None = None

    @model_validator(mode="after")
    def _interaction_is_typed(self) -> "Definition":
        given = (self.correct_responses_pattern, self.choices, self.scale, self.source, self.target, self.steps)
        if self.interaction_type is None and any(part is not None for part in given):
            raise ValueError("an interaction needs an interactionType")
        return self


class Activity(_Part):
    object_type: Literal["Activity"] = "Activity"
    id: Iri
    definition: Definition | None = None


class StatementRef(_Part):
    object_type: Literal["StatementRef"]
    id: Uuid


class Score(_Part):
    scaled: Annotated[float, Field(ge=-1, le=1)] | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Score":
        given = [bound for bound in (self.min, self.raw, self.max) if bound is not None]
        if given != sorted(given) or (self.min is not None and self.min == self.max):
            raise ValueError("min, raw and max of a score are in this order")
        return self


class Result(_Part):
    score: Score | None = None
    success: bool | None = None
    completion: bool | None = None
    response: str | None = None
    duration: Duration | None = None
    extensions: Extensions | None = None


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


Activities = Annotated[list[Activity] | None, BeforeValidator(_as_list)]


class ContextActivities(_Part):
    parent: Activities = None
    grouping: Activities = None
    category: Activities = None
    other: Activities = None


def _actor_type(value: Any) -> str | None:
    return value.get("objectType", "Agent") if isinstance(value, dict) else None


def _object_type(value: Any) -> str | None:
    return value.get("objectType", "Activity") if isinstance(value, dict) else None


Actor = Annotated[Annotated[Agent, Tag("Agent")] | Annotated[Group, Tag("Group")], Discriminator(_actor_type)]


class ContextAgent(_Part):
    object_type: Literal["contextAgent"]
    agent: Agent
    relevant_types: Annotated[list[Iri], Field(min_length=1)] | None = None


class ContextGroup(_Part):
    object_type: Literal["contextGroup"]
    group: Group
    relevant_types: Annotated[list[Iri], Field(min_length=1)] | None = None


class Context(_Part):
    registration: Uuid | None = None
    instructor: Actor | None = None
    team: Group | None = None
    context_activities: ContextActivities | None = None
    context_agents: list[ContextAgent] | None = None
    context_groups: list[ContextGroup] | None = None
    revision: str | None = None
    platform: str | None = None
    language: Language | None = None
    statement: StatementRef | None = None
    extensions: Extensions | None = None


class Attachment(_Part):
    usage_type: Iri
    display: LanguageMap
    description: LanguageMap | None = None
    content_type: str
    length: int
    sha2: str
    file_url: Iri | None = None


class _Assertion(_Part):
    """What a statement and a sub-statement share."""

    actor: Actor
    verb: Verb
    result: Result | None = None
    context: Context | None = None
    timestamp: Timestamp | None = None
    attachments: list[Attachment] | None = None

    def _check_context(self, target: object) -> None:
        tied = self.context is not None and (self.context.revision or self.context.platform) is not None
        if tied and not isinstance(target, Activity):
            raise ValueError("revision and platform belong to activities only")


class SubStatement(_Assertion):
    object_type: Literal["SubStatement"]
    object: Annotated[
        Annotated[Activity, Tag("Activity")]
        | Annotated[Agent, Tag("Agent")]
        | Annotated[Group, Tag("Group")]
        | Annotated[StatementRef, Tag("StatementRef")],
        Discriminator(_object_type),
    ]

    @model_validator(mode="after")
    def _context_fits(self) -> "SubStatement":
        self._check_context(self.object)
        return self


class Statement(_Assertion):
    id: Uuid | None = None
    object: Annotated[
        Annotated[Activity, Tag("Activity")]
        | Annotated[Agent, Tag("Agent")]
        | Annotated[Group, Tag("Group")]
        | Annotated[StatementRef, Tag("StatementRef")]
        | Annotated[SubStatement, Tag("SubStatement")],
        Discriminator(_object_type),
    ]
    stored: Timestamp | None = None
    authority: Actor | None = None
    version: Version | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> "Statement":
        self._check_context(self.object)
        if self.verb.id == VOIDED and not isinstance(self.object, StatementRef):
            raise ValueError("a voiding statement names the voided one by a StatementRef")
        if isinstance(self.authority, Group) and (
            self.authority.identifiers() or len(self.authority.member or ()) != 2
        ):
            raise ValueError("an authority that is a group is anonymous and has two members")
        return self


@dataclass(frozen=True, slots=True)
class Sent:
    """A valid statement under its id (lower case), with `body` as it was sent."""

    id: str
    body: Json
    statement: Statement

    @property
    def voids(self) -> str | None:
        """The id of the statement that this one voids."""
        target = self.statement.object
        if self.statement.verb.id == VOIDED and isinstance(target, StatementRef):
            return target.id.lower()
        return None


def statements(request: Request, new_id: Callable[[], str], statement_id: str | None = None) -> list[Sent]:
    """The valid statements of a POST, or the one of a PUT under `statement_id`; raises MalformedNotice or TooLarge."""
    parsed = load_json(request.body)
    bodies = parsed if isinstance(parsed, list) and statement_id is None else [parsed]
    if len(bodies) > STATEMENTS_MAX:
        raise TooLarge(f"{len(bodies)} statements, at most {STATEMENTS_MAX} are taken")
    sent = [_sent(body, new_id, statement_id) for body in bodies]
    if len({one.id for one in sent}) < len(sent):
        raise MalformedNotice("two statements of one request have the same id")
    return sent


def parse_id(value: str) -> str:
    """A statement's id in lower case; raises MalformedNotice unless it is a UUID."""
    if not _UUID.fullmatch(value):
        raise MalformedNotice("a statement's id is a UUID")
    return value.lower()


def _sent(body: Any, new_id: Callable[[], str], statement_id: str | None) -> Sent:
    try:
        _forbid_nulls(body)
        statement = Statement.model_validate(body)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors(include_input=False)]
        raise MalformedNotice("; ".join(faults[:_FAULTS_TOLD])[:_FAULTS_MAX_CHARACTERS]) from None
    given = None if statement.id is None else statement.id.lower()
    wanted = None if statement_id is None else parse_id(statement_id)
    if given is not None and wanted is not None and given != wanted:
        raise MalformedNotice("the statement's id is not the statementId asked for")
    return Sent(given or wanted or new_id(), body, statement)


def _forbid_nulls(value: Any) -> None:
    """The specification forbids null everywhere but inside extensions."""
    if value is None:
        raise MalformedNotice("null is not allowed outside extensions")
    if isinstance(value, list):
        for element in value:
            _forbid_nulls(element)
    elif isinstance(value, dict):
        for key, element in value.items():
            if key != "extensions":
                _forbid_nulls(element)


# -- The same statement --------------------------------------------------------------------------------------------


def is_same(stored: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether two valid statements of one id are the same one, by the specification's rules for comparing.

    What a record store assigns is ignored; a timestamp counts only where both senders gave one.
    """
    both = "timestamp" in stored and "timestamp" in sent
    if both and parse_timestamp(stored["timestamp"]) != parse_timestamp(sent["timestamp"]):
        return False
    return _immutable(stored) == _immutable(sent)


def _immutable(body: Mapping[str, Any]) -> Json:
    return {key: _canonical(value, key) for key, value in body.items() if key not in _ASSIGNED}


_ASSIGNED = {"id", "stored", "authority", "version", "timestamp"}
_AGENT_LISTS = {"member"}
_ACTIVITY_LISTS = {"parent", "grouping", "category", "other"}


def _canonical(value: Any, key: str = "") -> Any:
    if key == "extensions":
        return value
    if isinstance(value, dict):
        if key in _ACTIVITY_LISTS:
            return _canonical([value], key)
        left_out = "display" if key == "verb" else "definition"
        return {name: _canonical(part, name) for name, part in value.items() if name != left_out}
    if isinstance(value, list):
        parts = [_canonical(part) for part in value]
        return sorted(parts, key=_as_text) if key in _AGENT_LISTS else parts
    return _CANONICAL_TEXT[key](value) if key in _CANONICAL_TEXT else value


def _as_text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


_CANONICAL_TEXT: dict[str, Callable[[Any], Any]] = {
    "mbox": lambda mbox: "@".join((mbox.rpartition("@")[0], mbox.rpartition("@")[2].lower())),
    "mbox_sha1sum": str.lower,
    "registration": str.lower,
    "timestamp": lambda timestamp: parse_timestamp(timestamp).isoformat(),
    "duration": lambda duration: re.sub(r"(\.\d\d)\d+(?=S)", r"\1", duration),
}


def timestamp(instant: datetime) -> str:
    """The instant as xAPI writes it, in UTC with milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_stored(sent: Mapping[str, Any], statement_id: str, stored_at: datetime, authority: Json) -> Json:
    """The statement as it is given back: what was sent, and what a record store assigns where it is missing."""
    stored = timestamp(stored_at)
    body = {"timestamp": stored, "version": "1.0.0", **sent, "id": statement_id}
    if body["object"].get("objectType") == "SubStatement":
        body["object"] = _with_lists(body["object"])
    return _with_lists(body) | {"stored": stored, "authority": authority}


def _with_lists(assertion: Json) -> Json:
    """The same, with each kind of context activities as the list that the specification asks for."""
    context = assertion.get("context", {})
    if "contextActivities" not in context:
        return assertion
    activities = {kind: _as_list(given) for kind, given in context["contextActivities"].items()}
    return {**assertion, "context": {**context, "contextActivities": activities}}


# -- Facts ---------------------------------------------------------------------------------------------------------


def translate(connection: str, sent: Sent, received_at: datetime) -> Event | None:
    """The fact of a completed or passed activity, the retraction of a voided statement, or None for anything else.

    A group's statements are nobody's. A statement without a timestamp happened when it was received.
    """
    statement = sent.statement
    if not isinstance(statement.actor, Agent):
        return None
    if sent.voids is not None:
        return _event(connection, sent, statement.actor, STATEMENT_VOIDED, received_at, {}, sent.voids)
    if statement.verb.id in EVENT_TYPES and isinstance(statement.object, Activity):
        data = _data(statement.object, statement.result or Result())
        return _event(connection, sent, statement.actor, EVENT_TYPES[statement.verb.id], received_at, data)
    return None


def _event(
    connection: str,
    sent: Sent,
    actor: Agent,
    event_type: str,
    received_at: datetime,
    data: Json,
    retracts: str | None = None,
) -> Event:
    member, *alternatives = identities(connection, actor)
    return Event(
        source=connection,
        external_id=sent.id,
        type=event_type,
        member=member,
        occurred_at=sent.statement.timestamp or received_at,
        data=data,
        retracts=retracts,
        alternatives=tuple(alternatives),
    )


def identities(connection: str, agent: Agent) -> Sequence[Identity]:
    """What an actor may be known as here, best first.

    mbox: the address in lower case, then its hash. Account: the name at its home page, then the name in this
    connection, so that a program with one LMS need not write home pages into its list of people.
    """
    if agent.mbox is not None:
        address = agent.mbox.removeprefix("mailto:").lower()
        return Identity("email", address), Identity("mbox_sha1sum", mbox_sha1sum(address))
    if agent.mbox_sha1sum is not None:
        return (Identity("mbox_sha1sum", agent.mbox_sha1sum.lower()),)
    if agent.account is not None:
        return Identity(agent.account.home_page, agent.account.name), Identity(connection, agent.account.name)
    assert agent.openid is not None
    return (Identity("openid", agent.openid),)


def mbox_sha1sum(address: str) -> str:
    """The hash by which an LMS may name an e-mail address without telling it."""
    return hashlib.sha1(f"mailto:{address.lower()}".encode(), usedforsecurity=False).hexdigest()


def _data(activity: Activity, result: Result) -> Json:
    definition = activity.definition or Definition()
    score = None if result.score is None else result.score.scaled
    data = {
        "activity_id": activity.id,
        "activity_name": _in_english(definition.name),
        "activity_type": definition.type,
        "score_percent": None if score is None else _percent(score),
        "success": result.success,
    }
    return {name: value for name, value in data.items() if value is not None}


def _percent(scaled: float) -> int:
    return int((Decimal(str(scaled)) * 100).to_integral_value(ROUND_HALF_UP))


def _in_english(names: Mapping[str, str] | None) -> str | None:
    """The English name where there is one, else the first in the order of language tags."""
    if not names:
        return None
    tag = min(names, key=lambda tag: (not tag.lower().startswith("en"), tag))
    return names[tag][:NAME_MAX_CHARACTERS]
