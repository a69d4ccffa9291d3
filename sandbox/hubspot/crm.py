"""The account's records: deals with the history of every property, owners, and a notification for every change."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

PORTAL_ID = 4242
APP_ID = 77
COMPANY_CURRENCY = "EUR"
CLOSED_STAGES = {"closedwon": "true", "closedlost": "false"}
HISTORY_MAX = 20
SUBSCRIPTIONS = (
    "deal.creation",
    "deal.deletion",
    "deal.restore",
    "deal.merge",
    "deal.propertyChange:dealstage",
    "deal.propertyChange:hs_is_closed_won",
    "deal.propertyChange:amount",
    "deal.propertyChange:deal_currency_code",
    "deal.propertyChange:hubspot_owner_id",
    "deal.propertyChange:dealname",
)
DEFAULT_PROPERTIES = ("amount", "closedate", "createdate", "dealname", "dealstage", "pipeline")
_NEVER_WRITTEN = {"hs_is_closed_won", "hs_is_closed", "hs_object_id", "hs_lastmodifieddate", "createdate"}


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_milliseconds(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@dataclass(slots=True)
class Deal:
    """One deal; `history` has every value that a property ever had, newest first."""

    id: str
    created_at: datetime
    updated_at: datetime
    history: dict[str, list[Json]] = field(default_factory=dict)
    archived_at: datetime | None = None
    merged_into: str | None = None

    def value(self, name: str) -> str | None:
        if name == "hs_object_id":
            return self.id
        if name == "hs_lastmodifieddate":
            return iso(self.updated_at)
        if name == "createdate":
            return iso(self.created_at)
        changes = self.history.get(name)
        return changes[0]["value"] if changes else None

    def as_json(self, properties: Iterable[str], with_history: Iterable[str]) -> Json:
        """The deal as HubSpot answers: the asked properties beside the ones it always gives, null where unset."""
        names = dict.fromkeys(
            [*(properties or DEFAULT_PROPERTIES), "createdate", "hs_lastmodifieddate", "hs_object_id"]
        )
        body: Json = {
            "id": self.id,
            "properties": {name: self.value(name) for name in names},
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "archived": self.archived_at is not None,
        }
        if self.archived_at is not None:
            body["archivedAt"] = iso(self.archived_at)
        if histories := {name: self.history.get(name, [])[:HISTORY_MAX] for name in with_history}:
            body["propertiesWithHistory"] = histories
        return body


@dataclass(frozen=True, slots=True)
class Owner:
    id: str
    email: str
    first_name: str
    last_name: str
    created_at: datetime
    archived: bool = False

    def as_json(self) -> Json:
        return {
            "id": self.id,
            "email": self.email,
            "type": "PERSON",
            "firstName": self.first_name,
            "lastName": self.last_name,
            "userId": int(self.id) + 1000,
            "userIdIncludingInactive": int(self.id) + 1000,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.created_at),
            "archived": self.archived,
            "teams": [],
        }


class Crm:
    """Every change happens at a millisecond of its own and is told to `notify` as HubSpot's notification."""

    def __init__(self, clock: Callable[[], datetime], notify: Callable[[Json], None]) -> None:
        self._clock = clock
        self._notify = notify
        self._last = datetime(1970, 1, 1, tzinfo=UTC)
        self.last_id = 9_000_000_000
        self.last_event_id = 100
        self.deals: dict[str, Deal] = {}
        self.owners: dict[str, Owner] = {}

    def now(self) -> datetime:
        """The clock in whole milliseconds, moved on where two changes would share one."""
        now = self._clock().astimezone(UTC)
        self._last = max(
            now.replace(microsecond=now.microsecond // 1000 * 1000), self._last + timedelta(milliseconds=1)
        )
        return self._last

    def create(self, properties: Mapping[str, str | None]) -> Deal:
        self.last_id += 1
        now = self.now()
        deal = Deal(str(self.last_id), now, now)
        self.deals[deal.id] = deal
        self._tell("deal.creation", deal, now, changeFlag="NEW")
        self._set(deal, {"pipeline": "default", "dealstage": "appointmentscheduled", **properties}, now)
        return deal

    def update(self, deal: Deal, properties: Mapping[str, str | None]) -> None:
        self._set(deal, properties, self.now())

    def archive(self, deal: Deal) -> None:
        deal.archived_at = self.now()
        self._tell("deal.deletion", deal, deal.archived_at, changeFlag="DELETED")

    def restore(self, deal: Deal) -> None:
        deal.archived_at, deal.updated_at = None, self.now()
        self._tell("deal.restore", deal, deal.updated_at, changeFlag="RESTORED")

    def merge(self, primary: Deal, other: Deal) -> Deal:
        """A new deal with the values of the primary and the history of both; the old ids lead to it from then on."""
        self.last_id += 1
        now = self.now()
        merged = Deal(str(self.last_id), min(primary.created_at, other.created_at), now)
        for name in primary.history.keys() | other.history.keys():
            changes = [*primary.history.get(name, []), *other.history.get(name, [])]
            merged.history[name] = sorted(changes, key=lambda change: str(change["timestamp"]), reverse=True)
        for name in primary.history:
            if merged.value(name) != primary.value(name):
                _record(merged, name, primary.value(name), now, "MERGE_OBJECTS")
        self.deals[merged.id] = merged
        primary.merged_into = other.merged_into = merged.id
        ids = {"primaryObjectId": int(primary.id), "mergedObjectIds": [int(other.id)], "newObjectId": int(merged.id)}
        self._tell("deal.merge", primary, now, changeFlag="MERGED", numberOfPropertiesMoved=len(other.history), **ids)
        return merged

    def find(self, deal_id: str, *, archived: bool) -> Deal | None:
        """The deal, or the one that it was merged into, if it is in the bin as `archived` says."""
        deal = self.deals.get(deal_id)
        while deal is not None and deal.merged_into is not None:
            deal = self.deals[deal.merged_into]
        return deal if deal is not None and (deal.archived_at is not None) == archived else None

    def add_owner(
        self, email: str, first_name: str, last_name: str, *, archived: bool = False, owner_id: str | None = None
    ) -> Owner:
        owner = Owner(owner_id or str(len(self.owners) + 71), email, first_name, last_name, self.now(), archived)
        self.owners[owner.id] = owner
        return owner

    def _set(self, deal: Deal, properties: Mapping[str, str | None], now: datetime) -> None:
        for name, value in properties.items():
            if name not in _NEVER_WRITTEN and deal.value(name) != value:
                _record(deal, name, value, now, "INTEGRATION")
                self._tell_change(deal, name, now)
        for name, value in _calculated(deal).items():
            if deal.value(name) != value:
                _record(deal, name, value, now, "CALCULATED")
                self._tell_change(deal, name, now)
        deal.updated_at = now

    def _tell_change(self, deal: Deal, name: str, now: datetime) -> None:
        self._tell("deal.propertyChange", deal, now, propertyName=name, propertyValue=deal.value(name) or "")

    def _tell(self, subscription_type: str, deal: Deal, now: datetime, **more: Any) -> None:
        subscription = subscription_type + (f":{more['propertyName']}" if "propertyName" in more else "")
        if subscription not in SUBSCRIPTIONS:
            return
        self.last_event_id += 1
        self._notify(
            {
                "eventId": self.last_event_id,
                "subscriptionId": 1000 + SUBSCRIPTIONS.index(subscription),
                "portalId": PORTAL_ID,
                "appId": APP_ID,
                "occurredAt": epoch_milliseconds(now),
                "subscriptionType": subscription_type,
                "attemptNumber": 0,
                "objectId": int(deal.id),
                "changeSource": "CRM_UI",
                **more,
            }
        )


def _record(deal: Deal, name: str, value: str | None, now: datetime, source_type: str) -> None:
    change = {"value": value or "", "timestamp": iso(now), "sourceType": source_type}
    deal.history.setdefault(name, []).insert(0, change)


def _calculated(deal: Deal) -> dict[str, str]:
    stage = deal.value("dealstage") or ""
    return {
        "hs_is_closed_won": CLOSED_STAGES.get(stage, "false"),
        "hs_is_closed": "true" if stage in CLOSED_STAGES else "false",
    }
