"""The story of a challenge on the real servers, in weeks that pass at once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import TimeSkipper

from domain.challenges import ChallengeState, IllegalChallenge
from domain.events import Event, Identity, SourcePolicy
from domain.outbox import Kind
from storage import challenge_commands, challenges, intake
from storage.challenges import StoredChallenge
from tests.challenges import claims, effects, sprint, with_challenges
from tests.eventually import eventually
from tests.programs import apply, make_member
from tests.shop import Shop, now
from tests.workflows.conftest import A_YEAR, Begin, Handle
from workflows import starts


async def launch(shop: Shop, *, starts_in: timedelta, ends_in: timedelta, **changes: Any) -> StoredChallenge:
    """A challenge of the shop's program, made and launched by a command."""
    window = {"starts_at": (now() + starts_in).isoformat(), "ends_at": (now() + ends_in).isoformat()}
    async with shop.database.begin() as session:
        await apply(session, shop.id, with_challenges())
        draft = await challenge_commands.create(
            session, shop.id, "sprint", sprint(**window | changes), actor="key_test", now=now()
        )
        launched = await challenge_commands.launch(
            session, shop.id, draft.id, seen=draft.fingerprint, actor="key_test", now=now()
        )
    return launched.challenge


async def stored(shop: Shop, challenge: StoredChallenge) -> StoredChallenge:
    async with shop.database.begin() as session:
        return await challenges.get(session, shop.id, challenge.id)


async def follow(begin: Begin, challenge: StoredChallenge, *, waits: bool = False) -> Handle:
    return await begin(starts.challenge(challenge.program_id, challenge.id), waits=waits)


async def win(shop: Shop, member: str, number: int, occurred_at: datetime) -> None:
    event = Event("crm", f"deal-{number}", "deal.won", Identity("crm", member), occurred_at, {"amount_minor": 100})
    await intake.record_batch(shop.database, shop.id, [event], SourcePolicy(), as_of=now())


async def until(shop: Shop, challenge: StoredChallenge, state: ChallengeState) -> None:
    async def stands() -> None:
        assert (await stored(shop, challenge)).state is state

    await eventually(stands)


async def test_a_challenge_is_opened_spoken_of_and_settled(begin: Begin, shop: Shop) -> None:
    prizes = [{"first": 1, "last": 1, "points": 500}]
    challenge = await launch(shop, starts_in=-timedelta(hours=1), ends_in=timedelta(days=10), prizes=prizes)
    async with shop.database.begin() as session:
        await make_member(session, shop.id, "ada")
    await win(shop, "ada", 1, now())

    ended = await (await follow(begin, challenge)).result()

    found = await stored(shop, challenge)
    assert (ended, found.state) == (ChallengeState.SETTLED, ChallengeState.SETTLED)
    assert found.settled_at is not None
    assert found.settled_at >= challenge.definition.known_until
    async with shop.database.begin() as session:
        [prize] = await effects(session, shop.id, [Kind.DERIVED])
    assert (prize["data"]["points"], prize["data"]["reason"]) == (500, "rank")
    assert await shop.told() == [
        "challenge_opened",
        *["challenge_half_time"] * 2,
        *["challenge_last_day"] * 2,
        *["challenge_settled"] * 2,
    ]


async def test_a_challenge_waits_for_its_start(begin: Begin, shop: Shop) -> None:
    challenge = await launch(shop, starts_in=timedelta(days=3), ends_in=timedelta(days=4))
    handle = await follow(begin, challenge, waits=True)

    await until(shop, challenge, ChallengeState.SCHEDULED)

    assert (await handle.describe()).status is not None
    assert await shop.told() == []


async def test_an_extended_challenge_ends_later(begin: Begin, shop: Shop, time: TimeSkipper) -> None:
    challenge = await launch(shop, starts_in=-timedelta(days=2), ends_in=timedelta(days=1))
    handle = await follow(begin, challenge, waits=True)
    await until(shop, challenge, ChallengeState.OPEN)

    later = challenge.definition.until + timedelta(days=5)
    async with shop.database.begin() as session:
        await challenge_commands.extend(session, shop.id, challenge.id, later, actor="key_test", now=now())
    await handle.signal(starts.WAKE, 1)
    await time.fast_forward(handle, timedelta(days=3))

    assert (await stored(shop, challenge)).state is ChallengeState.OPEN
    await time.fast_forward(handle, A_YEAR)
    assert await handle.result() == ChallengeState.SETTLED
    settled_at = (await stored(shop, challenge)).settled_at
    assert settled_at is not None
    assert settled_at >= later + timedelta(hours=24)


async def test_a_cancelled_challenge_ends_its_workflow_and_counts_nothing_more(begin: Begin, shop: Shop) -> None:
    challenge = await launch(shop, starts_in=-timedelta(days=2), ends_in=timedelta(days=1))
    async with shop.database.begin() as session:
        await make_member(session, shop.id, "ada")
    handle = await follow(begin, challenge, waits=True)
    await until(shop, challenge, ChallengeState.OPEN)

    async with shop.database.begin() as session:
        await challenge_commands.cancel(session, shop.id, challenge.id, reason="a mistake", actor="key_test", now=now())
    await handle.signal(starts.WAKE, 1)

    assert await handle.result() == ChallengeState.CANCELLED
    await win(shop, "ada", 1, now())
    async with shop.database.begin() as session:
        assert await claims(session, shop.id) == []
    assert (await stored(shop, challenge)).reason == "a mistake"


@pytest.mark.parametrize("command", ["extend", "cancel", "launch"])
async def test_a_settled_challenge_takes_no_command(begin: Begin, shop: Shop, command: str) -> None:
    challenge = await launch(shop, starts_in=-timedelta(days=1), ends_in=timedelta(days=1))
    await (await follow(begin, challenge)).result()

    with pytest.raises(IllegalChallenge):
        await give(shop, challenge.id, command)


async def give(shop: Shop, challenge_id: str, command: str) -> None:
    """The command of this name, in a transaction of its own."""
    at: dict[str, Any] = {"actor": "key_test", "now": now()}
    async with shop.database.begin() as session:
        match command:
            case "extend":
                await challenge_commands.extend(session, shop.id, challenge_id, now() + timedelta(days=9), **at)
            case "cancel":
                await challenge_commands.cancel(session, shop.id, challenge_id, reason="why not", **at)
            case _:
                await challenge_commands.launch(session, shop.id, challenge_id, seen="", **at)
