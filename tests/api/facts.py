"""Bodies of events as callers send them."""

from typing import Any


def deal(number: int = 1, member: str = "ada", amount_minor: int = 100_00, **changes: Any) -> dict[str, Any]:
    """A deal that a member won."""
    body = {
        "source": "crm",
        "external_id": f"deal-{number}",
        "type": "deal.won",
        "member": {"source": "crm", "external_id": member},
        "occurred_at": "2026-03-04T11:00:00Z",
        "data": {"amount_minor": amount_minor, "currency": "EUR"},
    }
    return body | changes


def retraction(of: dict[str, Any]) -> dict[str, Any]:
    """What takes an event back."""
    fact = {name: of[name] for name in ("source", "type", "member", "occurred_at")}
    return fact | {"external_id": f"{of['external_id']}/undone", "retracts": of["external_id"]}
