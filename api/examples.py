"""An example of every answer, as OpenAPI shows it: one deal, its points, and the card that they became."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel

from api.schemas.base import EXAMPLE_ID, Page

_MEMBER, _EVENT, _ORDER, _REWARD = (f"{prefix}_{EXAMPLE_ID}" for prefix in ("mem", "evt", "ord", "rwd"))
_TRANSACTION, _PROGRAM = f"txn_{EXAMPLE_ID}", f"prg_{EXAMPLE_ID}"
_AT = "2026-03-04T11:59:00Z"
_VALUE = {"amount_minor": 1000, "currency": "USD"}
_DATA = {"deal_id": "9001", "amount_minor": 250000, "currency": "USD"}

_OUTCOME = {
    "status": "recorded",
    "id": _EVENT,
    "state": "decided",
    "member_id": _MEMBER,
    "points": 250,
    "rewards": [_REWARD],
}
_RECORDED = {
    "id": _EVENT,
    "source": "crm",
    "external_id": "deal-9001",
    "type": "deal.won",
    "state": "decided",
    "member_id": _MEMBER,
    "occurred_at": _AT,
    "recorded_at": _AT,
    "data": _DATA,
    "revision": 1,
    "retracts": None,
    "retracted_by": None,
    "error": None,
    "points": 250,
}
_RULE = {
    "rule": "deal-won",
    "version": 1,
    "title": "A point for every ten dollars",
    "failed": None,
    "expression": "event.amount_minor / 1000",
    "error": None,
    "raw": 250,
    "rounding": "down",
    "rounded": 250,
    "caps": [],
    "points": 250,
    "unit": "points",
    "expires_after_days": 365,
    "reward": None,
    "withheld": None,
}
_COMPLETION = {
    "challenge": "sprint-2026-q1",
    "version": 2,
    "title": "The sprint of the quarter",
    "matched": True,
    "told": "the 20 places were taken; yours was the 23rd",
    "raw": 50,
    "rounded": 50,
    "points": 0,
    "number": 23,
}
_DECISION = {
    "n": 1,
    "revision": 1,
    "kind": "award",
    "points": 250,
    "member_id": _MEMBER,
    "transaction_id": _TRANSACTION,
    "recorded_at": _AT,
    "verdict": {"awards": [{"rule": "deal-won", "points": 250}]},
    "data": _DATA,
    "configuration": 1,
    "member_version": 1,
    "engine": 1,
    "lifetime": 300,
    "balance": 300,
    "totals": {},
    "rules": [_RULE],
    "challenges": [_COMPLETION],
    "reason": None,
    "not_derived": None,
}
_TOKEN = {"token": "lrl_member_a2V5XzAx.c2lnbmVk", "member_id": _MEMBER, "expires_at": _AT}
_MEMBER_OUTCOME = {"external_id": "ada", "status": "created", "id": _MEMBER}
_STREAK = {
    "member_id": f"mem_{EXAMPLE_ID}",
    "streak_type": "daily-learning",
    "title": "Learn every day",
    "cadence": "daily",
    "state": "active",
    "current_streak": 4,
    "longest_streak": 11,
    "started_on": "2026-02-26",
    "last_qualifying_event": {"event_id": f"evt_{EXAMPLE_ID}", "occurred_at": "2026-03-03T09:30:00Z"},
    "grace_period_until": None,
    "next_deadline_at": "2026-03-05T00:00:00Z",
    "freezes": 1,
}
_ABSENCE = {
    "id": f"abs_{EXAMPLE_ID}",
    "member_id": _MEMBER,
    "source": "hr",
    "external_id": "sick-2031",
    "kind": "sick",
    "starts_on": "2026-03-02",
    "ends_on": "2026-03-04",
    "state": "standing",
    "recorded_at": _AT,
    "ended_at": None,
}
_CHALLENGE = {
    "id": f"chl_{EXAMPLE_ID}",
    "key": "sprint-2026-q1",
    "state": "open",
    "origin": "page",
    "title": "The sprint of the quarter",
    "description": "The first twenty deals of the week are worth 50 points more.",
    "event_types": ["deal.won"],
    "when": [{"name": "is in dollars", "expression": 'event.currency == "USD"'}],
    "audience": 'member.department == "Sales"',
    "multiplier": None,
    "bonus": "50",
    "rounding": "floor",
    "starts_at": "2026-03-02T08:00:00Z",
    "ends_at": "2026-03-06T17:00:00Z",
    "until": "2026-03-06T17:00:00Z",
    "late_hours": 24,
    "first": 20,
    "fairness": "arrival",
    "once": False,
    "member_points": None,
    "budget_points": 1000,
    "exceptions_points": None,
    "stacking": "sum",
    "priority": 0,
    "goal": {"target": 10, "field": None, "team": None, "streak": None, "points": 100},
    "prizes": [{"first": 1, "last": 3, "points": 200}],
    "repeats": None,
    "reason": None,
    "written_by": "key_01a1fd1cfa630081c74091f5d2",
    "created_at": "2026-02-27T10:00:00Z",
    "updated_at": "2026-03-02T08:00:00Z",
    "settled_at": None,
}
_TIER = {
    "ladder": "status",
    "title": "Status",
    "unit": "points",
    "days": 365,
    "tier": "bronze",
    "since": _AT,
    "amount": 550,
    "next": "silver",
    "missing": 1450,
    "levels": [
        {"key": "bronze", "title": "Bronze", "at": 500, "kept_at": 500},
        {"key": "silver", "title": "Silver", "at": 2000, "kept_at": 1500},
    ],
}
_TIER_CHANGE = {
    "ladder": "status",
    "n": 1,
    "tier": "bronze",
    "before": None,
    "amount": 550,
    "event_id": _EVENT,
    "configuration": 1,
    "silent": False,
    "recorded_at": _AT,
}
_PLACE = {"rank": 1, "member_id": _MEMBER, "name": "Ada Example", "points": 550, "reached_at": _AT}

_SCHEDULE = {
    "spendable": 250,
    "lapsed": 0,
    "never": 0,
    "next_expiry_at": "2027-03-01T09:30:00Z",
    "next_expiry_amount": 250,
    "months": [{"period": "2027-03", "amount": 250}],
    "years": [{"period": "2027", "amount": 250}],
}

_POINTS = {"unit": "points", "exponent": 0}
_PERIOD = {"from": "2026-01-01T00:00:00Z", "until": _AT}
_POSTED = _POINTS | {
    "transaction_id": _TRANSACTION,
    "recorded_at": _AT,
    "effective_at": _AT,
    "kind": "earn",
    "member_id": None,
    "event_id": _EVENT,
    "order_id": None,
    "reverses_id": None,
}

_BALANCE = {
    "unit": "points",
    "available": 250,
    "held": 100,
    "pending": 0,
    "debt": 0,
    "lifetime": 550,
    "next_expiry_at": "2027-03-04T11:59:00Z",
    "next_expiry_amount": 250,
    "version": 7,
}
_COMMAND = {
    "reference": "booking-12",
    "status": "accepted",
    "transaction_id": _TRANSACTION,
    "hold_id": f"hld_{EXAMPLE_ID}",
    "pending_id": None,
    "balances": [{"member_id": _MEMBER, "unit": "points", "balance": 250}],
}

_CHANGED_RULE: dict[str, Any] = {
    "section": "rules",
    "key": "deal-won",
    "kind": "changed",
    "fields": [{"field": "award.expression", "before": "50", "after": "60"}],
}
_PROPOSAL: dict[str, Any] = {
    "id": f"prp_{EXAMPLE_ID}",
    "state": "proposed",
    "expected": 11,
    "proposed_by": "ada",
    "proposed_at": "2027-01-04T09:30:00Z",
    "decided_by": None,
    "decided_at": None,
    "published_as": None,
    "changes": [_CHANGED_RULE],
}
BY_MODEL: Mapping[str, Any] = {
    "ConfigurationDocument": {
        "number": 12,
        "applied_by": "ada",
        "applied_at": "2027-01-04T09:30:00Z",
        "changes": [_CHANGED_RULE],
    },
    "ProposalDocument": _PROPOSAL,
    "RollbackDocument": {"active": 13, "proposal": None, "changes": [_CHANGED_RULE]},
    "EventOutcome": _OUTCOME,
    "Preview": {
        "begins_at": "2026-02-02T12:00:00Z",
        "ends_at": "2026-03-04T12:00:00Z",
        "decisions": 1204,
        "completions": 87,
        "points": 1000,
        "prize_points": 0,
        "people": 20,
        "most": 1000,
        "bounded_by": "first",
    },
    "DryRun": {
        "status": "recorded",
        "event_id": None,
        "state": "decided",
        "member_id": _MEMBER,
        "points": 250,
        "summary": "It earned 250 points.",
        "decision": _DECISION | {"transaction_id": None},
        "transactions": [{"kind": "earn", "unit": "points", "amount": 250}],
        "crossings": [{"milestone": "every-500:500", "n": 1, "state": "standing"}],
        "rewards": [{"reward": "gift-card", "rule": None, "state": "unlocked"}],
    },
    "BatchResult": {"results": [{"index": 0, "status": 201, "event": _OUTCOME}]},
    "EventDocument": _RECORDED | {"member": {"source": "email", "external_id": "ada@example.com"}, "version": None},
    "Explanation": {
        "event": _RECORDED
        | {"identity_source": "email", "identity_external_id": "ada@example.com", "source_version": None},
        "summary": "It earned 250 points by 1 of 1 rules.",
        "decisions": [_DECISION],
        "transactions": [
            {
                "id": _TRANSACTION,
                "kind": "earn",
                "unit": "points",
                "amount": 250,
                "effective_at": _AT,
                "recorded_at": _AT,
                "reverses_id": None,
            }
        ],
        "crossings": [{"id": f"crs_{EXAMPLE_ID}", "milestone": "first-500", "n": 1, "state": "standing"}],
        "rewards": [],
        "retracts_id": None,
    },
    "MemberOutcome": _MEMBER_OUTCOME,
    "MembersResult": {"results": [{"index": 0} | _MEMBER_OUTCOME]},
    "MemberDocument": {
        "id": _MEMBER,
        "external_id": "ada",
        "name": "Ada Example",
        "email": "ada@example.com",
        "time_zone": "Europe/Berlin",
        "country": "DE",
        "location": "Berlin",
        "department": "Sales",
        "role": "Account executive",
        "hired_on": "2024-02-01",
        "probation_ends_on": "2024-07-31",
        "manager_id": None,
        "merged_into": None,
        "performance_tier": None,
        "status": "active",
        "custom": {},
        "version": 1,
        "created_at": _AT,
        "updated_at": _AT,
        "identities": [{"source": "email", "external_id": "ada@example.com"}],
    },
    "BalanceDocument": _BALANCE,
    "MergeDocument": {
        "id": f"mrg_{EXAMPLE_ID}",
        "from_member_id": "mem_01a1fd1cfa630082c74091f5d2",
        "to_member_id": _MEMBER,
        "undoes": None,
        "actor": "key:key_01a1fd1cfa630081c74091f5d2",
        "reason": "Hired twice: the same person",
        "recorded_at": _AT,
    },
    "BalancesDocument": {"member_id": _MEMBER, "balances": [_BALANCE]},
    "LotDocument": {
        "id": f"lot_{EXAMPLE_ID}",
        "transaction_id": _TRANSACTION,
        "granted": 350,
        "remaining": 250,
        "granted_at": _AT,
        "expires_at": "2027-03-04T11:59:00Z",
    },
    "CommandDocument": _COMMAND,
    "CommandsResult": {"results": [{"index": 0, "status": 201, "command": _COMMAND}]},
    "HoldDocument": {
        "id": f"hld_{EXAMPLE_ID}",
        "member_id": _MEMBER,
        "unit": "points",
        "transaction_id": _TRANSACTION,
        "order_id": None,
        "amount": 100,
        "settled": 80,
        "released": 0,
        "state": "open",
        "expires_at": "2026-03-11T11:59:00Z",
        "created_at": _AT,
    },
    "PendingDocument": {
        "id": f"pnd_{EXAMPLE_ID}",
        "member_id": _MEMBER,
        "unit": "points",
        "transaction_id": _TRANSACTION,
        "amount": 50,
        "available_at": "2026-04-01T00:00:00Z",
        "expires_at": None,
        "state": "open",
        "created_at": _AT,
    },
    "AdjustmentDocument": {
        "id": f"adj_{EXAMPLE_ID}",
        "reference": "hr-4711",
        "member_id": _MEMBER,
        "unit": "points",
        "amount": 5000,
        "reason": "The award of March was forgotten",
        "effective_at": None,
        "expires_at": None,
        "state": "approved",
        "proposed_by": "key:key_01a1fd1cfa630081c74091f5d2",
        "decided_by": "key:key_01a1fd1cfa630082c74091f5d2",
        "transaction_id": _TRANSACTION,
        "created_at": _AT,
        "decided_at": _AT,
    },
    "ExpiryDocument": {"unit": "points", "at": _AT, "known_at": _AT} | _SCHEDULE,
    "ExpiryRunDocument": {
        "as_of": _AT,
        "done": {"holds": 1, "promises": 2, "refills": 40, "idle": 0, "lots": 310, "warnings": 12},
        "finished": True,
    },
    "ProofDocument": {
        "format": "laurel-proof/1",
        "parts": [
            {
                "salt": "AAECAwQFBgcICQoLDA0ODw==",
                "fields": ["laurel/transaction/1", _PROGRAM, _TRANSACTION, "earn", 1772625540000000, 1772625540000000],
            },
            {"hash": "bjQLnP+zepicpUTmu3gKLHiQHT+zNzhnaFEaMGF6oB0="},
            {
                "salt": "EBESExQVFhcYGRobHB0eHw==",
                "fields": ["laurel/entry/1", _TRANSACTION, 1, f"acc_{EXAMPLE_ID}.points", 350, 350, 1],
            },
            {"hash": "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="},
        ],
        "index": 1,
        "path": ["rra8/idLcKFPsGel5VeCZNs/qbUa9eC6FRWRWPMp4Hc="],
        "checkpoint": f"laurel/{_PROGRAM}\n2\n037kGJdt2VdTwccYYrk5j6Kiz5tP8N/+izDNlSCWFLc=\n"
        "head TjuxrPt7SN7PPx+2YxYxUZo7yhLJrvyhYSv84TqGJkI=\nat 2026-03-04T12:09:00+00:00\n\n"
        f"\N{EM DASH} laurel/{_PROGRAM} Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5\n",
    },
    "AccountStatementDocument": {
        "member_id": _MEMBER,
        "unit": "points",
        "from": "2026-02-02T11:59:00Z",
        "until": _AT,
        "known_at": _AT,
        "summary": {
            "opening": {"balance": 0, "held": 0, "pending": 0},
            "closing": {"balance": 250, "held": 100, "pending": 0},
            "totals": dict.fromkeys(("bonus", "spent", "reversed", "expired", "transferred", "adjusted"), 0)
            | {"earned": 350, "held": -100},
            "expiry": _SCHEDULE,
        },
        "lines": [
            {
                "transaction_id": _TRANSACTION,
                "n": 1,
                "kind": "earn",
                "category": "earned",
                "amount": 350,
                "balance": 350,
                "effective_at": "2026-03-01T09:30:00Z",
                "recorded_at": "2026-03-01T09:30:02Z",
                "counterparty": "issued",
                "reason": None,
                "actor": None,
                "event_id": _EVENT,
                "event_type": "deal.won",
                "order_id": None,
                "item_name": None,
                "reverses_id": None,
            },
            {
                "transaction_id": _TRANSACTION,
                "n": 1,
                "kind": "hold",
                "category": "held",
                "amount": -100,
                "balance": 250,
                "effective_at": "2026-03-03T10:00:00Z",
                "recorded_at": "2026-03-03T10:00:00Z",
                "counterparty": "held",
                "reason": None,
                "actor": None,
                "event_id": None,
                "event_type": None,
                "order_id": _ORDER,
                "item_name": "Example Coffee",
                "reverses_id": None,
            },
        ],
        "next_cursor": None,
    },
    "HistoryDocument": {
        "transaction_id": _TRANSACTION,
        "kind": "earn",
        "amount": 250,
        "balance": 550,
        "effective_at": _AT,
        "recorded_at": _AT,
        "event_id": _EVENT,
        "event_type": "deal.won",
        "rules": ["deal-won"],
        "order_id": None,
        "item_name": None,
    },
    "PlaceDocument": _PLACE,
    "BoardDocument": {
        "board": "deals-of-the-week",
        "title": "Deals of the week",
        "unit": "points",
        "by": ["department", "country"],
        "window": "week",
        "per_working_day": False,
        "least_members": 5,
    },
    "NeighbourhoodDocument": {
        "board": "company",
        "member_id": _MEMBER,
        "cohort": [],
        "percentile": 93,
        "places": [_PLACE],
    },
    "TiersDocument": {"items": [_TIER], "changes": [_TIER_CHANGE]},
    "BadgeDocument": {
        "badge": "closer",
        "title": "Closer",
        "description": "Ten deals.",
        "aggregate": "deals_ever",
        "at_least": 10,
        "streak": None,
        "challenge": None,
        "badges": [],
        "members": 7,
    },
    "MemberBadgeDocument": {
        "badge": "closer",
        "title": "Closer",
        "description": "Ten deals.",
        "earned_at": _AT,
        "event_id": _EVENT,
    },
    "RankDocument": {
        "board": "deals-of-the-week",
        "member_id": _MEMBER,
        "cohort": ["Sales", "US"],
        "at": _AT,
        "known_at": _AT,
        "first_day": "2026-03-02",
        "points": 550,
        "rank": 1,
        "members": 15,
    },
    "ShownDocument": {"member_id": _MEMBER, "shown": False},
    "SnapshotDocument": {
        "board": "deals-of-the-week",
        "window": "week",
        "first_day": "2026-03-02",
        "configuration": 1,
        "places": 15,
        "settled_at": "2026-03-09T12:00:00Z",
    },
    "ChallengeDocument": _CHALLENGE,
    "LaunchDocument": {"challenge": _CHALLENGE | {"state": "scheduled"}, "warnings": []},
    "StandingsDocument": {
        "items": [
            {
                "rank": 1,
                "member_id": _MEMBER,
                "team": None,
                "amount": 7,
                "target": 10,
                "reached": False,
                "completions": 7,
                "points": 350,
                "reached_at": _AT,
            }
        ],
        "final": False,
        "next_cursor": None,
    },
    "ClaimDocument": {
        "event_id": _EVENT,
        "member_id": _MEMBER,
        "number": 23,
        "place": None,
        "state": "beyond",
        "amount": 1,
        "points": 0,
        "due": 50,
        "team": None,
        "occurred_at": _AT,
    },
    "ListingDocument": {
        "key": "coffee-us",
        "name": "Example Coffee",
        "description": "For the next break.",
        "category": "food_and_drink",
        "images": ["https://images.example.com/coffee.png"],
        "countries": ["US"],
        "currency": "USD",
        "denominations": [{"value": _VALUE, "price_points": 100}],
        "ranges": [],
        "points_per_unit": 10,
        "terms": "Valid for a year.",
        "available": True,
    },
    "OrderDocument": {
        "id": _ORDER,
        "member_id": _MEMBER,
        "reward_id": None,
        "item": "coffee-us",
        "item_name": "Example Coffee",
        "value": _VALUE,
        "price_points": 100,
        "recipient_name": "Ada Example",
        "recipient_email": "ada@example.com",
        "delivery_method": "email",
        "state": "placed",
        "reason": None,
        "delivery": "none",
        "vendor_order_id": None,
        "created_at": _AT,
        "updated_at": _AT,
    },
    "LinkDocument": {"link": "https://gifts.example.com/what-only-the-recipient-should-know"},
    "RewardDocument": {
        "id": _REWARD,
        "member_id": _MEMBER,
        "reward": "first-500",
        "title": "A coffee for your first 500 points",
        "items": ["coffee-us"],
        "value": _VALUE,
        "price_points": 0,
        "state": "offered",
        "reason": None,
        "event_id": _EVENT,
        "rule": None,
        "order_id": None,
        "offered_at": _AT,
        "expires_at": "2026-04-03T11:59:00Z",
        "created_at": _AT,
        "updated_at": _AT,
    },
    "NotificationDocument": {
        "id": f"ntf_{EXAMPLE_ID}",
        "member_id": _MEMBER,
        "kind": "reward_offered",
        "subject": "Choose your reward",
        "body": "A coffee for your first 500 points: choose until 3 April.",
        "reference": _REWARD,
        "created_at": _AT,
        "read_at": None,
    },
    "TrialBalanceDocument": {
        "at": _AT,
        "known_at": _AT,
        "lines": [
            _POINTS | {"account": "available", "debits": 100, "credits": 350, "balance": 250},
            _POINTS | {"account": "held", "debits": 0, "credits": 100, "balance": 100},
            _POINTS | {"account": "issued", "debits": 350, "credits": 0, "balance": -350},
        ],
        "balanced": True,
    },
    "ClearingsDocument": {"lines": [_POINTS | {"account": "held", "balance": 100, "explained": 100, "difference": 0}]},
    "LiabilityDocument": {
        "at": _AT,
        "known_at": _AT,
        "lines": [
            _POINTS | {"part": "spendable", "bucket": "0-30", "amount": 250},
            _POINTS | {"part": "held", "bucket": "", "amount": 100},
        ],
    },
    "BreakageDocument": _PERIOD
    | {
        "known_at": _AT,
        "lines": [
            _POINTS
            | {"month": "2026-02", "issued": 1000, "expired": 35, "rate": 350}
            | {"issued_so_far": 2000, "expired_so_far": 35, "rate_so_far": 175}
        ],
    },
    "SpendDocument": _PERIOD
    | {
        "known_at": _AT,
        "lines": [
            _POINTS
            | {"period": "2026-03-01", "key": "food_and_drink", "spent": 100, "orders": 1}
            | {"currency": "USD", "value_minor": 1000}
        ],
    },
    "JournalDocument": _PERIOD
    | {
        "items": [
            _POSTED | {"line": 1, "code": "5100", "account": "Cost of value issued", "debit": 350, "credit": 0},
            _POSTED
            | {"line": 2, "code": "2100", "account": "Liability to members: available", "debit": 0, "credit": 350}
            | {"member_id": _MEMBER},
        ],
        "next_cursor": None,
    },
    "HoldsDocument": {
        "lines": [_POINTS | {"held": 100, "for_orders": 100, "for_integrations": 0, "differing": 0, "unexplained": 0}],
        "differences": [],
    },
    "OriginsDocument": {"origins": ["https://app.example.com"]},
    "ProgramDocument": {
        "id": _PROGRAM,
        "name": "Example Ltd",
        "kind": "sandbox",
        "time_zone": "Europe/Berlin",
        "configuration": 1,
        "orders_paused": False,
        "daily_limit_minor": 50000,
        "monthly_limit_minor": None,
        "limit_currency": "USD",
        "origins": ["https://app.example.com"],
        "created_at": _AT,
    },
    "MemberTokenDocument": _TOKEN,
    "StreaksDocument": {"streaks": [_STREAK]},
    "StreakExplanation": _STREAK
    | {
        "calendar": "holidays 0.109",
        "runs": [{"started_on": "2026-02-26", "last_on": "2026-03-03", "length": 4}],
        "periods": [
            {
                "first_on": "2026-03-02",
                "last_on": "2026-03-02",
                "judgement": "absent",
                "detail": "told on 2026-03-05",
                "amount": 0,
                "needed": 1,
                "length": 3,
                "event_ids": [],
            },
            {
                "first_on": "2026-03-03",
                "last_on": "2026-03-03",
                "judgement": "met",
                "detail": "",
                "amount": 1,
                "needed": 1,
                "length": 4,
                "event_ids": [f"evt_{EXAMPLE_ID}"],
            },
        ],
    },
    "AbsenceDocument": _ABSENCE,
    "AbsenceOutcome": {"status": "created", "absence": _ABSENCE},
    "AbsencesResult": {
        "results": [
            {"index": 0, "status": "created", "absence": _ABSENCE},
            {"index": 1, "status": "failed", "errors": [{"pointer": "/member", "detail": "is not known"}]},
        ]
    },
}

NOTIFICATION = {
    "eventId": 3816279340,
    "subscriptionId": 25,
    "portalId": 33,
    "occurredAt": 1772625540000,
    "subscriptionType": "deal.propertyChange",
    "objectId": 9001,
    "propertyName": "dealstage",
    "propertyValue": "closedwon",
}
EMPLOYEE_NOTICE = {
    "type": "employee.updated",
    "timestamp": "2026-03-04T11:59:00Z",
    "data": {"companyId": "12345", "employeeId": "67890", "changedFields": ["department"]},
}
VENDOR_NOTICE = {
    "event": "REWARDS.DELIVERY.FAILED",
    "uuid": "65f4c1de-6fd5-4f0e-9b43-9f4b1a0f8d11",
    "created_utc": "2026-03-04T11:59:00.000Z",
    "payload": {"resource": {"id": "QSKF1J2X9ZVA", "type": "rewards"}},
}
STATEMENT_ID = "8f87ccde-bb56-4c2e-ab83-44982ef22df0"
STATEMENT = {
    "id": STATEMENT_ID,
    "actor": {"mbox": "mailto:ada@example.com", "name": "Ada Example"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en-US": "completed"}},
    "object": {
        "id": "https://lms.example.com/courses/7",
        "definition": {"name": {"en-US": "Security"}, "type": "http://adlnet.gov/expapi/activities/course"},
    },
    "result": {"score": {"scaled": 0.85}, "success": True},
    "timestamp": _AT,
}


def of(model: Any) -> Any:
    """The example of an answer; of a page, one with a single item, of several models that of the first."""
    if isinstance(model, UnionType):
        return of(get_args(model)[0])
    if isinstance(model, type) and issubclass(model, BaseModel) and issubclass(model, Page):
        return {"items": [of(model.__pydantic_generic_metadata__["args"][0])], "next_cursor": None}
    return BY_MODEL[model.__name__]
