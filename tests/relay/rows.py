"""Rows that something must still happen to, as bare as the schema lets them be."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from storage.database import Database
from storage.ids import new_id
from storage.tables import connections, members, notices, orders, programs, rewards
from tests.relay.conftest import now

AN_HOUR_AGO = timedelta(hours=1)


async def insert_program(db: Database) -> str:
    """A program with one member and one connection to HubSpot; its id, from which `member_of` derives the member's."""
    at, program_id = now() - AN_HOUR_AGO, new_id("prg")
    program = {"program_id": program_id, "name": program_id, "kind": "sandbox", "created_at": at}
    member = {"id": member_of(program_id), "external_id": "ada", "name": "Ada", "created_at": at, "updated_at": at}
    connection = {"id": connection_of(program_id), "kind": "hubspot", "name": "crm", "secrets": b"", "key_id": "test"}
    async with db.begin() as session:
        await session.execute(insert(programs).values(program))
        await session.execute(insert(members).values(**member, program_id=program_id))
        await session.execute(insert(connections).values(**connection, program_id=program_id, created_at=at))
    return program_id


def member_of(program_id: str) -> str:
    return program_id.replace("prg", "mem")


def connection_of(program_id: str) -> str:
    return program_id.replace("prg", "con")


async def insert_order(db: Database, program_id: str, state: str = "placed", created_at: datetime | None = None) -> str:
    at, order_id = created_at or now() - AN_HOUR_AGO, new_id("ord")
    values: dict[str, Any] = {
        "id": order_id,
        "program_id": program_id,
        "member_id": member_of(program_id),
        "item": "mug",
        "item_name": "A mug",
        "value_minor": 1_000,
        "currency": "USD",
        "price_points": 0,
        "recipient_name": "Ada",
        "recipient_email": "ada@example.com",
        "delivery_method": "email",
        "state": state,
        "delivery_state": "none",
        "created_at": at,
        "updated_at": at,
    }
    async with db.begin() as session:
        await session.execute(insert(orders).values(values))
    return order_id


async def insert_reward(db: Database, program_id: str, state: str = "unlocked") -> str:
    at, reward_id = now() - AN_HOUR_AGO, new_id("rwd")
    values = {
        "id": reward_id,
        "program_id": program_id,
        "member_id": member_of(program_id),
        "reward": "mug",
        "configuration": 1,
        "state": state,
        "created_at": at,
        "updated_at": at,
    }
    async with db.begin() as session:
        await session.execute(insert(rewards).values(values))
    return reward_id


async def insert_notice(db: Database, program_id: str, object_id: str, state: str = "open") -> None:
    at = now() - AN_HOUR_AGO
    values = {
        "program_id": program_id,
        "connection_id": connection_of(program_id),
        "notice_key": new_id("key"),
        "object_id": object_id,
        "kind": "deal.propertyChange",
        "state": state,
        "body": {},
        "recorded_at": at,
    }
    async with db.begin() as session:
        await session.execute(insert(notices).values(values))
