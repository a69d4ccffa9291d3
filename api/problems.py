"""Problems: every error that the API answers, in one table (RFC 9457, application/problem+json).

A code is stable for ever; docs/errors.md says the same as this table. Errors of the layers below become problems here
and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from redis.exceptions import RedisError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import Response

from connectors.errors import (
    BadSignature,
    MalformedNotice,
    NoticeRefused,
    StaleNotice,
    TooLarge,
    WrongContentType,
    WrongVersion,
)
from domain.absences import InvalidAbsence
from domain.challenges import IllegalChallenge
from domain.definitions import KeyTaken
from domain.member_changes import Fault, InvalidMember
from domain.nominations import NominationRefused
from domain.orders import IllegalTransition, OrderRefused
from domain.proposals import IllegalProposal, NeedsSecondPerson
from domain.rewards import IllegalReward
from storage.challenge_commands import DraftChanged
from storage.configurations import CadenceChanged, UnitInUse
from storage.failures import is_transient
from storage.keyring import CannotOpen
from storage.previews import TooMuch
from storage.proposals import TooManyProposals
from storage.publishing import NotSound

MEDIA_TYPE = "application/problem+json"
OUTAGE_RETRY_SECONDS = 2
MAX_ERRORS = 50


@dataclass(frozen=True, slots=True)
class Kind:
    """One code: the status it is answered with, and whether the same request may succeed later."""

    code: str
    status: int
    retryable: bool
    title: str
    meaning: str

    def document(self) -> dict[str, Any]:
        """What every problem document of this code says."""
        return {
            "type": f"/errors/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "retryable": self.retryable,
        }


TABLE = {
    kind.code: kind
    for kind in (
        Kind(
            "malformed_json", 400, False, "The body is not JSON.",
            "The body could not be read as JSON in UTF-8; `detail` says where it ends to make sense.",
        ),
        Kind(
            "malformed_request", 400, False, "This is no HTTP request.",
            "The request line, a header or the framing of the body breaks the rules of HTTP/1.1. The connection is "
            "closed.",
        ),
        Kind(
            "invalid_idempotency_key", 400, False, "The Idempotency-Key header cannot be used.",
            "A key is 1 to 255 printable ASCII characters without spaces, commas, quotes and backslashes, bare or in "
            "double quotes.",
        ),
        Kind(
            "malformed_notice", 400, False, "The request is not of the shape that its sender documents.",
            "It came from whom it should, but a notification or a statement in it cannot be read; `detail` says which "
            "part. Nothing was taken.",
        ),
        Kind(
            "wrong_version", 400, False, "This version of xAPI is not spoken here.",
            "X-Experience-API-Version must be 1.0, 1.0.x or 2.0.x.",
        ),
        Kind(
            "bad_signature", 401, False, "The request is not from whom it should be.",
            "Its signature, or its Basic or Bearer credentials, are missing or not the connection's. A signature is "
            "made over the public URL: LAUREL_PUBLIC_URL must be the one that the sender calls.",
        ),
        Kind(
            "stale_notice", 401, False, "The request was signed at another time.",
            "It was signed more than five minutes from the server's clock, so it may be a replay.",
        ),
        Kind(
            "unauthenticated", 401, False, "A valid API key is needed.",
            "The Authorization header is missing, or its key is unknown, expired or revoked. A new key is valid at "
            "once; a revoked one is refused within five seconds.",
        ),
        Kind(
            "forbidden", 403, False, "The key lacks a scope.",
            "The key is valid but lacks the scope that the operation needs; `scope` names it.",
        ),
        Kind(
            "not_found", 404, False, "There is no such thing in this program.",
            "The path or the id is unknown here. Another program's ids are answered the same way.",
        ),
        Kind(
            "method_not_allowed", 405, False, "The method is not allowed here.",
            "The path exists, the method does not; the Allow header names those that do.",
        ),
        Kind(
            "request_timeout", 408, True, "The body took too long.",
            "A body must be complete within 30 seconds of its headers. Nothing was taken; the connection is closed.",
        ),
        Kind(
            "idempotency_key_in_use", 409, True, "A request with this Idempotency-Key is still running.",
            "Another request under the same key has not been answered yet. Send it again after Retry-After seconds and "
            "get the first one's answer.",
        ),
        Kind(
            "event_conflict", 409, False, "This fact was recorded before with other content.",
            "An event of the same source and external_id exists and differs. Correct the external_id, or send a newer "
            "`version` to amend it.",
        ),
        Kind(
            "not_quarantined", 409, False, "The event is not quarantined.",
            "Only an event that could not be decided can be decided again.",
        ),
        Kind(
            "insufficient_points", 409, False, "The member has less than this takes.",
            "Nothing was moved or held; `detail` has the numbers.",
        ),
        Kind(
            "item_unavailable", 409, False, "The item cannot be had now.",
            "The catalog has no such item, it is switched off, or its vendor does not sell it now. Nothing was held.",
        ),
        Kind(
            "country_not_supported", 409, False, "The item cannot be had in the member's country.",
            "The item or its vendor names the countries in which it can be had. Nothing was held.",
        ),
        Kind(
            "vendor_unavailable", 409, False, "The item's vendor is not connected.",
            "The program has no connection of the name that the catalog gives. Nothing was held.",
        ),
        Kind(
            "limit_reached", 409, False, "A limit is reached.",
            "The value of a day's or a month's orders would pass the program's limit, or is in another currency; or a "
            "member would transfer more than the unit allows at once, in a day or a month. Nothing was moved or held.",
        ),
        Kind(
            "member_not_active", 409, False, "The member has left.",
            "Who has left neither orders nor chooses. Nothing was held.",
        ),
        Kind(
            "duplicate_request", 409, False, "The reference was used for another command.",
            "References of commands never expire. Use a new one for a new command.",
        ),
        Kind(
            "member_not_found", 404, False, "The member is not known in this program.",
            "Another program's members are answered the same way. Nothing was moved.",
        ),
        Kind(
            "member_inactive", 409, False, "The member has left.",
            "Who has left earns, holds, transfers and converts nothing, and neither nominates nor is nominated. What "
            "stands already may end, and be corrected.",
        ),
        Kind(
            "already_reversed", 409, False, "The transaction was reversed already.",
            "A transaction is reversed once, whole or in part; what the reversal left stays.",
        ),
        Kind(
            "not_reversible", 409, False, "The transaction cannot be reversed like this.",
            "Holds are released, promises cancelled, and a conversion is reversed as a whole; expiries, merges and "
            "reversals themselves stay.",
        ),
        Kind(
            "exceeds_original", 409, False, "More is asked for than there is.",
            "Less is left of the hold, or the transaction moved less.",
        ),
        Kind(
            "hold_not_open", 409, False, "The hold has ended.",
            "It was settled or released already, or its expiry has passed.",
        ),
        Kind(
            "pending_not_open", 409, False, "The promised value was confirmed or cancelled already.",
            "Value is promised once; grant it anew.",
        ),
        Kind(
            "belongs_to_order", 409, False, "This ends with its order.",
            "What an order holds or spent is settled and given back by the order alone.",
        ),
        Kind(
            "transfers_not_allowed", 409, False, "The unit is not transferred.",
            "The unit's configuration has no `transfer`.",
        ),
        Kind(
            "recognition_not_configured", 409, False, "Members do not thank each other here.",
            "The program's configuration has no `recognition` (`laurel apply`).",
        ),
        Kind(
            "allowance_short", 409, False, "The giver's allowance does not suffice.",
            "`detail` has what is left and what all receivers together take. Nobody was thanked.",
        ),
        Kind(
            "pair_limit_reached", 409, False, "One has thanked the other enough for now.",
            "The policy caps how often, or with how much, one member thanks one other in a period; `detail` has the "
            "numbers. Nobody was thanked.",
        ),
        Kind(
            "account_closed", 409, False, "The account is closed.",
            "It takes nothing any more.",
        ),
        Kind(
            "account_not_empty", 409, False, "The account is not empty.",
            "Value, a debt, a hold or a promise stands in the way of closing.",
        ),
        Kind(
            "already_merged", 409, False, "The member was merged into another.",
            "Who is an alias already is merged no more; undo that merge first.",
        ),
        Kind(
            "not_merged", 409, False, "There is no such merge to undo.",
            "It undoes another itself, or the alias belongs to somebody else by now.",
        ),
        Kind(
            "needs_approval", 409, False, "The adjustment needs a second person.",
            "It is above the unit's `approval_above`. Propose it by POST /v1/adjustments.",
        ),
        Kind(
            "needs_second_person", 409, False, "Who proposed it cannot decide it.",
            "An adjustment is approved or rejected with another key; where the program asks for it, a configuration is "
            "published and a challenge launched with another one too.",
        ),
        Kind(
            "adjustment_not_open", 409, False, "The adjustment was decided already.",
            "It was approved or rejected, once and for all.",
        ),
        Kind(
            "reward_not_offered", 409, False, "The reward is not on offer.",
            "It was ordered, declined or withdrawn already, is not yet offered, or the offer has expired.",
        ),
        Kind(
            "nomination_open", 409, False, "They are nominated already.",
            "The same member has nominated the same colleague in the same category, and that waits for a decision.",
        ),
        Kind(
            "nomination_limit_reached", 409, False, "The member has nominated as often as one may.",
            "The category says how many nominations one member makes in a week, month, quarter or year.",
        ),
        Kind(
            "nomination_not_pending", 409, False, "The nomination does not wait for a decision.",
            "It was approved, declined or withdrawn, or it has expired; `detail` names its state.",
        ),
        Kind(
            "not_nominator", 409, False, "Somebody else has nominated.",
            "Only its nominator, or an administrator, withdraws a nomination.",
        ),
        Kind(
            "not_approver", 409, False, "The decision is not theirs.",
            "Those decide who were asked on the nomination's level, and nobody on what they propose or would get.",
        ),
        Kind(
            "already_decided", 409, False, "It was decided already, by them or in their place.",
            "For each approver the first decision stands; `detail` says what it was.",
        ),
        Kind(
            "illegal_transition", 409, False, "This cannot be done in this state.",
            "States and arrows are drawn in docs/states.md; `detail` names the state.",
        ),
        Kind(
            "draft_changed", 409, False, "The draft was written anew since it was read.",
            "A launch names the `fingerprint` of the draft that was read, and the draft has another by now. Nothing "
            "was launched: read it again.",
        ),
        Kind(
            "challenge_key_taken", 409, False, "There is, or was, a challenge of this key.",
            "What was counted under a key stays that challenge's for ever: give the new one another key.",
        ),
        Kind(
            "configuration_misfits", 409, False, "The configuration does not fit what is there.",
            "A unit in which somebody has an account, the cadence of a streak, or what a running challenge refers to "
            "would go or change, or too many proposals are open; `detail` says which.",
        ),
        Kind(
            "statement_conflict", 409, False, "This statement was sent before with other content.",
            "A statement of the same id is stored and differs; `statement_id` names it. Nothing of the request was "
            "taken.",
        ),
        Kind(
            "body_too_large", 413, False, "The body is too large.",
            "An event may have 64 KiB, a batch 4 MiB, a webhook 1 MiB, statements 4 MiB, any other body 64 KiB.",
        ),
        Kind(
            "unsupported_media_type", 415, False, "The body must be application/json.",
            "The Content-Type header is missing or names something else than application/json in UTF-8.",
        ),
        Kind(
            "invalid_request", 422, False, "The request does not fit its schema.",
            "`errors` lists each fault: `pointer` (RFC 6901, from the root of the body) or `parameter`, and `detail`.",
        ),
        Kind(
            "invalid_cursor", 422, False, "The cursor does not belong to this list.",
            "Cursors are opaque and hold for the list and filters that gave them. Start again without one.",
        ),
        Kind(
            "invalid_period", 422, False, "The period cannot be told.",
            "It ends before it begins, or has more lines than one answer holds; `detail` says which.",
        ),
        Kind(
            "idempotency_key_reused", 422, False, "This Idempotency-Key was used for another request.",
            "The key is known with another body or path. Use a new key for a new request.",
        ),
        Kind(
            "unknown_event_type", 422, False, "The program has no such event type.",
            "Event types are part of the program's configuration (`laurel apply`). Nothing was recorded.",
        ),
        Kind(
            "invalid_event_data", 422, False, "The data do not fit the event type.",
            "The event type's schema declares other fields, types or limits, or a name, a version or a time is none "
            "that an event may have; `detail` names each fault. Nothing was recorded.",
        ),
        Kind(
            "occurred_in_future", 422, False, "The event lies in the future.",
            "occurred_at is more than five minutes ahead of the server's clock. Nothing was recorded.",
        ),
        Kind(
            "unknown_unit", 422, False, "The program has no such unit.",
            "Units are part of the program's configuration (`laurel apply`).",
        ),
        Kind(
            "conversion_not_found", 422, False, "The program has no such conversion.",
            "Conversions are part of the program's configuration (`laurel apply`).",
        ),
        Kind(
            "amount_too_small", 422, False, "The amount converts to nothing.",
            "At the declared rate it is less than one of the other unit.",
        ),
        Kind(
            "self_merge", 422, False, "Both are the same member.",
            "Also if one of them was merged into the other's alias.",
        ),
        Kind(
            "self_recognition", 422, False, "Nobody thanks themselves.",
            "Also if one of the members was merged into the other.",
        ),
        Kind(
            "too_many_receivers", 422, False, "Too many are thanked at once.",
            "The policy says how many at most; `detail` has the numbers.",
        ),
        Kind(
            "reason_too_short", 422, False, "The reason is too short.",
            "The policy says how many characters at least; `detail` has the numbers.",
        ),
        Kind(
            "value_not_declared", 422, False, "The company has no such value.",
            "Values are part of the program's configuration; `detail` lists them.",
        ),
        Kind(
            "self_transfer", 422, False, "Giver and taker are the same member.",
            "Also if one of them was merged into the other.",
        ),
        Kind(
            "backdating_refused", 422, False, "That lies too far back.",
            "effective_at may lie as many days back as the unit's `backdate_days` says.",
        ),
        Kind(
            "effective_in_future", 422, False, "That has not happened yet.",
            "effective_at is more than five minutes ahead of the server's clock.",
        ),
        Kind(
            "expires_in_past", 422, False, "That would have expired already.",
            "expires_at must lie ahead, and so must a unit's fixed date for what is granted in it. Nothing was moved.",
        ),
        Kind(
            "command_failed", 422, False, "The command could not be carried out.",
            "The book refused its data, a number too large for example. Nothing was moved.",
        ),
        Kind(
            "invalid_member", 422, False, "The member cannot be taken.",
            "`errors` lists each fault of the row: an unknown country, another member's e-mail, a missing name.",
        ),
        Kind(
            "invalid_absence", 422, False, "The absence cannot be.",
            "`errors` lists each fault: it ends before it begins, is longer than 1,100 days, or names a day that does "
            "not exist.",
        ),
        Kind(
            "preview_too_large", 422, False, "More has happened than a preview reads.",
            "A preview reads at most 30,000 decisions. `detail` names the event types: take fewer of them, or 30 days "
            "instead of 90; `laurel backtest` has no such limit.",
        ),
        Kind(
            "invalid_challenge", 422, False, "The challenge cannot be taken.",
            "`errors` lists each fault: an end before the start, an event type that is not there, an expression that "
            "breaks. Nothing was kept.",
        ),
        Kind(
            "unknown_category", 422, False, "Nobody can be nominated for that.",
            "Categories of nominations are part of the program's configuration (`laurel apply`).",
        ),
        Kind(
            "self_nomination", 422, False, "Nobody nominates themselves.",
            "Also if one of them was merged into the other.",
        ),
        Kind(
            "invalid_nomination", 422, False, "The nomination, or the decision, cannot be taken like this.",
            "A reason has the least length that the category says, evidence is an https:// address, and who declines "
            "says why.",
        ),
        Kind(
            "amount_above_maximum", 422, False, "The amount is more than the category gives.",
            "`detail` names the most.",
        ),
        Kind(
            "invalid_denomination", 422, False, "The item is not offered in this value.",
            "The catalog lists each item's denominations and ranges. Nothing was held.",
        ),
        Kind(
            "invalid_recipient", 422, False, "The recipient cannot be used.",
            "A name and a valid e-mail address are needed, the member's own or those given. Nothing was held.",
        ),
        Kind(
            "cannot_decode", 422, False, "The payload cannot be decrypted.",
            "It was encrypted under a key that this deployment does not know any more, or it was changed.",
        ),
        Kind(
            "event_quarantined", 422, False, "The event is kept but could not be decided.",
            "Deciding it failed; it is listed under GET /v1/events?state=quarantined and can be decided again with "
            "POST /v1/events/{event_id}/retry once the cause is gone.",
        ),
        Kind(
            "rate_limited", 429, True, "Too many requests for this key or connection.",
            "The requests of this minute are spent. Retry-After and the RateLimit header say when there are "
            "more.",
        ),
        Kind(
            "head_too_large", 431, False, "The head of the request is too large.",
            "The request line and all headers together may have 64 KiB. The connection is closed.",
        ),
        Kind(
            "internal_error", 500, True, "Something went wrong here.",
            "A fault of the server; nothing was acknowledged. The request id finds it in the log.",
        ),
        Kind(
            "overloaded", 503, True, "Too much is waiting.",
            "The queue of waiting events or connections is full; nothing was taken. Send it again after Retry-After "
            "seconds.",
        ),
        Kind(
            "leaderboards_unavailable", 503, True, "The leaderboards cannot be read now.",
            "Redis is away. Nothing is lost: boards are made again from the ledger.",
        ),
        Kind(
            "database_unavailable", 503, True, "The database does not answer.",
            "Nothing is acknowledged that is not committed. Send it again, best under the same Idempotency-Key.",
        ),
    )
}  # fmt: skip


class Problem(Exception):
    """Answered as the problem of this code; `more` are its extension members."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_seconds: int | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.kind = TABLE[code]
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def as_json(self, instance: str | None = None) -> dict[str, Any]:
        """The members of the problem document."""
        document = self.kind.document()
        if self.detail:
            document["detail"] = self.detail
        if instance:
            document["instance"] = instance
        if self.errors:
            document["errors"] = list(self.errors[:MAX_ERRORS])
        return document | self.more


def answer(problem: Problem, instance: str | None = None) -> Response:
    """The problem as a response."""
    body = orjson.dumps(problem.as_json(instance))
    return Response(body, problem.kind.status, headers_of(problem), MEDIA_TYPE)


def headers_of(problem: Problem) -> dict[str, str]:
    """What goes with the problem, however it is told."""
    wait = problem.retry_after_seconds
    return problem.headers | ({} if wait is None else {"Retry-After": str(wait)})


def of(error: Exception) -> Problem:
    """The problem that stands for this error; what nobody foresaw is internal_error, without its text."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NoticeRefused):
        return Problem(_REFUSED_NOTICES[type(error)], str(error))
    if isinstance(error, OrderRefused | NominationRefused):
        return Problem(error.code.value, str(error))
    if isinstance(error, IllegalTransition | IllegalReward | IllegalChallenge):
        return Problem("illegal_transition", str(error))
    if isinstance(error, UnitInUse | CadenceChanged | NotSound | TooManyProposals):
        return Problem("configuration_misfits", str(error))
    if isinstance(error, IllegalProposal):
        return Problem("illegal_transition", str(error))
    if isinstance(error, NeedsSecondPerson):
        return Problem("needs_second_person", str(error))
    if isinstance(error, DraftChanged):
        return Problem("draft_changed", str(error))
    if isinstance(error, TooMuch):
        return Problem("preview_too_large", str(error))
    if isinstance(error, KeyTaken):
        return Problem("challenge_key_taken", str(error))
    if isinstance(error, InvalidMember):
        return Problem("invalid_member", errors=faults_of_row(error.faults))
    if isinstance(error, InvalidAbsence):
        return Problem("invalid_absence", errors=faults_of_row(error.faults))
    if type(error) is LookupError:  # what storage's `get` raises; its subclasses are our own mistakes
        return Problem("not_found", str(error))
    if isinstance(error, CannotOpen):
        return Problem("cannot_decode", str(error))
    if isinstance(error, RedisError):
        return Problem("leaderboards_unavailable", retry_after_seconds=OUTAGE_RETRY_SECONDS)
    if isinstance(error, PoolTimeout):
        return Problem("overloaded", retry_after_seconds=OUTAGE_RETRY_SECONDS)
    if is_transient(error):
        return Problem("database_unavailable", retry_after_seconds=OUTAGE_RETRY_SECONDS)
    return Problem("internal_error")


_REFUSED_NOTICES: dict[type[NoticeRefused], str] = {
    BadSignature: "bad_signature",
    StaleNotice: "stale_notice",
    TooLarge: "body_too_large",
    WrongContentType: "unsupported_media_type",
    WrongVersion: "wrong_version",
    MalformedNotice: "malformed_notice",
}


def faults_of_row(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """A row's faults with a JSON pointer each."""
    return [{"pointer": "/" + fault.field.replace(".", "/"), "detail": fault.message} for fault in faults]
