"""The schedules are there, whatever Temporal has lost."""

from datetime import timedelta

import pytest
from temporalio.client import Client

from domain.syncs import Sync
from relay import schedules
from workflows import starts

SYNC = Sync("prg_1", "con_1", "bamboohr")


@pytest.mark.parametrize(
    ("schedule_id", "every"),
    [
        (starts.POINTS_EXPIRY, starts.EXPIRY_EVERY),
        (starts.EMPLOYMENT, starts.EMPLOYMENT_EVERY),
        (starts.LEADERBOARD_SETTLE, starts.SETTLE_EVERY),
        (starts.sync_schedule(SYNC.connection_id), starts.SYNC_EVERY),
    ],
)
async def test_a_lost_schedule_is_made_again_and_a_paused_one_stays_paused(
    client: Client, schedule_id: str, every: timedelta
) -> None:
    await schedules.prepare(client, [SYNC])
    handle = client.get_schedule_handle(schedule_id)
    made = await handle.describe()
    await handle.pause()
    await schedules.prepare(client, [SYNC])
    paused = await handle.describe()
    await handle.delete()
    await schedules.prepare(client, [SYNC])

    assert [spec.every for spec in made.schedule.spec.intervals] == [every]
    assert (made.schedule.state.paused, paused.schedule.state.paused) == (False, True)
    assert not (await handle.describe()).schedule.state.paused
    await handle.delete()
