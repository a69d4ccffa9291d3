"""HubSpot, a source: its signed notices say which deal changed, its CRM says what the deal is now.

A deal's fact is that it entered closed-won at one instant: reopened and won again, it is a new fact. What a won deal is
worth may change later and amends the fact; leaving closed-won, deletion and merging away retract it.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.breakers import Breaker
from connectors.clients import Clients
from connectors.errors import BadSignature, GarbledAnswer, MalformedNotice, Rejected, StaleNotice, TooLarge
from connectors.http import Answer, Outside
from connectors.sources import (
    MILLISECOND,
    Request,
    instant,
    load_json,
    milliseconds,
    require_json,
    require_size,
)
from domain.connections import Connection
from domain.events import Event, Identity, SourcePolicy
from domain.notices import Matters, Notice
from domain.vendors import minor_digits

KIND = "hubspot"
POLICY = SourcePolicy(amendments="redecide", fingerprint_fields=("deal_id", "amount_minor", "currency", "pipeline"))
BASE_URL = "https://api.hubapi.com"

BODY_MAX_BYTES = 2**20
NOTIFICATIONS_MAX = 100
WINDOW = timedelta(minutes=5)
TIMESTAMP_MAX_DIGITS = 16
AMOUNT_MAX = 10**13
NAME_MAX_CHARACTERS = 200

DEAL_TYPE_ID = "0-3"
DEAL_WON = "deal.won"
DEAL_RETRACTED = "deal.retracted"
UNASSIGNED = "unassigned"

# Escapes that HubSpot decodes in the URL before it signs ("Validate the v3 request signature" in its documentation).
_DECODED = {f"%{ord(c):02X}": c for c in ":/?@!$'()*,;"}
_DECODED_PATTERN = re.compile("|".join(_DECODED), re.IGNORECASE)

_Model = TypeVar("_Model", bound=BaseModel)

_LIFE = {"creation", "deletion", "restore", "merge"}
_WON_PROPERTIES = {"dealstage", "hs_is_closed_won", "hubspot_owner_id"}
_WORTH_PROPERTIES = {"amount", "deal_currency_code", "pipeline"}
_PROPERTIES = (
    "amount,deal_currency_code,hubspot_owner_id,dealname,dealstage,pipeline,closedate,hs_is_closed_won,"
    "hs_lastmodifieddate"
)

# -- Notices -------------------------------------------------------------------------------------------------------


def verify(request: Request, secret: str, now: datetime) -> None:
    """Raises TooLarge, BadSignature, StaleNotice or WrongContentType unless HubSpot signed this with `secret`."""
    require_size(request, BODY_MAX_BYTES)
    timestamp = request.headers.get("x-hubspot-request-timestamp", "")
    given = request.headers.get("x-hubspot-signature-v3", "")
    if not hmac.compare_digest(given.encode(errors="replace"), signature(request, secret, timestamp).encode()):
        raise BadSignature("the v3 signature does not fit the request")
    if not _is_fresh(timestamp, now):
        raise StaleNotice(f"signed more than {WINDOW.seconds} seconds from now")
    require_json(request)


def signature(request: Request, secret: str, timestamp: str) -> str:
    """The v3 signature: base64 of HMAC-SHA256 over method, URL with some escapes decoded, body and timestamp."""
    url = _DECODED_PATTERN.sub(lambda escape: _DECODED[escape[0].upper()], request.url)
    before, after = f"{request.method}{url}".encode(errors="replace"), timestamp.encode(errors="replace")
    signed = before + request.body + after
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def _is_fresh(timestamp: str, now: datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= TIMESTAMP_MAX_DIGITS):
        return False
    return abs(milliseconds(now) - int(timestamp)) <= WINDOW // MILLISECOND


class Notification(BaseModel):
    """One element of what HubSpot posts. `event_id` alone is not unique, by its documentation."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: int = Field(alias="eventId")
    subscription_id: int = Field(0, alias="subscriptionId")
    portal_id: int = Field(0, alias="portalId")
    subscription_type: str = Field(alias="subscriptionType", max_length=100)
    occurred_at: int = Field(alias="occurredAt")
    object_id: int | None = Field(None, alias="objectId")
    object_type_id: str | None = Field(None, alias="objectTypeId")
    property_name: str | None = Field(None, alias="propertyName")
    primary_object_id: int | None = Field(None, alias="primaryObjectId")
    merged_object_ids: tuple[int, ...] = Field((), alias="mergedObjectIds", max_length=100)
    new_object_id: int | None = Field(None, alias="newObjectId")

    @property
    def object_ids(self) -> list[int]:
        """Every object that this concerns: a merge concerns those that went and the one that came."""
        ids = (self.object_id, self.primary_object_id, self.new_object_id, *self.merged_object_ids)
        return sorted({i for i in ids if i is not None})


def notices(request: Request) -> list[Notice]:
    """One notice for each object that each notification concerns; raises MalformedNotice or TooLarge."""
    elements = load_json(request.body)
    if not isinstance(elements, list):
        raise MalformedNotice("not an array of notifications")
    if len(elements) > NOTIFICATIONS_MAX:
        raise TooLarge(f"{len(elements)} notifications, at most {NOTIFICATIONS_MAX} are taken")
    try:
        return [notice for element in elements for notice in _notices_of(element)]
    except ValidationError:
        raise MalformedNotice("not an array of HubSpot's notifications") from None


def _notices_of(element: Mapping[str, Any]) -> Iterable[Notice]:
    notification = Notification.model_validate(element)
    occurrence = f"{notification.portal_id}:{notification.subscription_id}:{notification.event_id}"
    for object_id in notification.object_ids:
        yield Notice(
            notice_key=f"{occurrence}:{notification.occurred_at}:{object_id}",
            object_id=str(object_id),
            kind=notification.subscription_type,
            occurred_at=instant(notification.occurred_at),
            matters=could_matter(notification),
            raw=element,
        )


def could_matter(notification: Notification) -> Matters:
    """Whether a deal may have been won, lost its win or changed its owner (always), or its worth (if it was won)."""
    subject, _, change = notification.subscription_type.partition(".")
    if subject != "deal" and not (subject == "object" and notification.object_type_id == DEAL_TYPE_ID):
        return Matters.NEVER
    if change in _LIFE or (change == "propertyChange" and notification.property_name in _WON_PROPERTIES):
        return Matters.ALWAYS
    if change == "propertyChange" and notification.property_name in _WORTH_PROPERTIES:
        return Matters.IF_KNOWN
    return Matters.NEVER


# -- The CRM -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Win:
    """One stay in closed-won; `left_at` is None while it lasts."""

    entered_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as it is now, with the stays in closed-won that its history still shows (HubSpot keeps 20 changes).

    `amount` is in major units of `currency`, which is the account's own where the deal names none. A deal that was
    merged has the id of the deal that came of it, not the id asked for.
    """

    id: str
    name: str
    amount: Decimal | None
    currency: str
    pipeline: str | None
    owner_id: str | None
    modified_at: datetime
    wins: tuple[Win, ...]

    @property
    def is_won(self) -> bool:
        return bool(self.wins) and self.wins[-1].left_at is None


@dataclass(frozen=True, slots=True)
class Owner:
    id: str
    email: str | None


# HubSpot answers a property that was cleared as an empty string.
_Cleared = BeforeValidator(lambda value: None if value == "" else value)
_Amount = Annotated[Decimal, Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
_Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]


class _Change(BaseModel):
    value: str | None = None
    timestamp: AwareDatetime


class _DealProperties(BaseModel):
    amount: Annotated[_Amount | None, _Cleared] = None
    deal_currency_code: Annotated[_Currency | None, _Cleared] = None
    dealname: str | None = None
    pipeline: Annotated[str | None, _Cleared] = None
    hubspot_owner_id: Annotated[str | None, _Cleared] = None
    hs_lastmodifieddate: AwareDatetime


class _DealHistory(BaseModel):
    hs_is_closed_won: list[_Change] = []


class _DealAnswer(BaseModel):
    id: str
    properties: _DealProperties
    history: _DealHistory = Field(_DealHistory(), alias="propertiesWithHistory")
    archived_at: AwareDatetime | None = Field(None, alias="archivedAt")

    def deal(self, currency: str) -> Deal:
        properties = self.properties
        return Deal(
            id=self.id,
            name=(properties.dealname or "")[:NAME_MAX_CHARACTERS],
            amount=properties.amount,
            currency=currency,
            pipeline=properties.pipeline,
            owner_id=properties.hubspot_owner_id,
            modified_at=max(properties.hs_lastmodifieddate, self.archived_at or properties.hs_lastmodifieddate),
            wins=tuple(_wins(self.history.hs_is_closed_won, self.archived_at)),
        )


class _OwnerAnswer(BaseModel):
    id: str
    email: Annotated[str | None, _Cleared] = None

    def owner(self) -> Owner:
        return Owner(self.id, self.email)


class _AccountAnswer(BaseModel):
    currency: _Currency = Field(alias="companyCurrency")


def _wins(changes: Sequence[_Change], ended_at: datetime | None) -> Iterable[Win]:
    """The stays that a history shows, oldest first; the end of the deal ends the last one."""
    entered_at = None
    for change in sorted(changes, key=lambda change: change.timestamp):
        if entered_at is None and change.value == "true":
            entered_at = change.timestamp
        elif entered_at is not None and change.value != "true":
            yield Win(entered_at, change.timestamp)
            entered_at = None
    if entered_at is not None:
        yield Win(entered_at, ended_at)


class HubSpot:
    """Reads one account's CRM with an app's access token. Any call may raise the tree in `connectors.errors`."""

    def __init__(self, access_token: str, breaker: Breaker, base_url: str = BASE_URL) -> None:
        self._outside = Outside(base_url, headers={"authorization": f"Bearer {access_token}"}, breaker=breaker)

    async def aclose(self) -> None:
        await self._outside.aclose()

    async def get_deal(self, deal_id: str) -> Deal | None:
        """The deal, also if it is in HubSpot's bin; None if HubSpot knows no such deal any more."""
        params = {"properties": _PROPERTIES, "propertiesWithHistory": "hs_is_closed_won"}
        answer = await self._find(f"/crm/v3/objects/{DEAL_TYPE_ID}/{deal_id}", params)
        if answer is None:
            return None
        found = _read(_DealAnswer, answer)
        return found.deal(found.properties.deal_currency_code or await self._get_company_currency())

    async def get_owner(self, owner_id: str) -> Owner | None:
        """The owner, also if deactivated; None if HubSpot knows no such owner any more."""
        answer = await self._find(f"/crm/v3/owners/{owner_id}", {})
        return None if answer is None else _read(_OwnerAnswer, answer).owner()

    async def _get_company_currency(self) -> str:
        return _read(_AccountAnswer, await self._outside.read("/account-info/v3/details")).currency

    async def _find(self, path: str, params: Mapping[str, str]) -> Answer | None:
        for archived in ("false", "true"):
            try:
                return await self._outside.read(path, {**params, "archived": archived})
            except Rejected as refusal:
                if refusal.status != 404:
                    raise
        return None


class HubSpots(Clients[HubSpot]):
    """The accounts behind this process's connections."""

    def __init__(self) -> None:
        super().__init__(KIND, _open)


def _open(connection: Connection, breaker: Breaker) -> HubSpot:
    return HubSpot(connection.secrets["access_token"], breaker, connection.config.get("base_url", BASE_URL))


def _read(model: type[_Model], answer: Answer) -> _Model:
    try:
        return model.model_validate(answer.json())
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        raise GarbledAnswer(answer.system, f"an answer of another shape: {fields}") from None


# -- Facts ---------------------------------------------------------------------------------------------------------


def translate(connection: str, deal: Deal, owner: Owner | None, since: datetime) -> list[Event]:
    """A retraction for each win that ended, and the fact of the win that lasts, if somebody owns the deal.

    `connection` is the name under which members are known by their owner ids. Wins from before `since` are no facts. No
    amount counts as zero; digits beyond the minor unit are rounded half up.
    """
    wins = [win for win in deal.wins if win.entered_at >= since]
    ended = [_retraction(connection, deal, win, win.left_at) for win in wins if win.left_at is not None]
    if deal.owner_id is None or not wins or not deal.is_won:
        return ended
    member = Identity(connection, deal.owner_id)
    alternatives = (Identity("email", owner.email.lower()),) if owner and owner.email else ()
    return [*ended, _won(deal, wins[-1], member, alternatives)]


def retract(connection: str, fact: str, at: datetime) -> Event:
    """Takes back the won deal whose external_id is `fact`, because HubSpot knows the deal no more since `at`."""
    return Event(
        source=connection,
        external_id=f"{fact}:retracted",
        type=DEAL_RETRACTED,
        member=Identity(connection, UNASSIGNED),
        occurred_at=at,
        data={},
        source_version=milliseconds(at),
        retracts=fact,
    )


def _retraction(connection: str, deal: Deal, win: Win, left_at: datetime) -> Event:
    event = retract(connection, _fact_id(deal, win), left_at)
    member = Identity(connection, deal.owner_id or UNASSIGNED)
    return replace(event, member=member, source_version=milliseconds(deal.modified_at))


def _won(deal: Deal, win: Win, member: Identity, alternatives: tuple[Identity, ...]) -> Event:
    amount_minor = (deal.amount or Decimal(0)).scaleb(minor_digits(deal.currency)).to_integral_value(ROUND_HALF_UP)
    data = {
        "deal_id": deal.id,
        "name": deal.name,
        "amount_minor": int(amount_minor),
        "currency": deal.currency,
        "pipeline": deal.pipeline or "",
    }
    return Event(
        source=member.source,
        external_id=_fact_id(deal, win),
        type=DEAL_WON,
        member=member,
        occurred_at=win.entered_at,
        data=data,
        source_version=milliseconds(deal.modified_at),
        alternatives=alternatives,
    )


def _fact_id(deal: Deal, win: Win) -> str:
    return f"{deal.id}:{milliseconds(win.entered_at)}"
