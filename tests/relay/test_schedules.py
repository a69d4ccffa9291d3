"""The deployment's schedules are there, whatever Temporal has lost."""

from temporalio.client import Client

from relay import schedules
from workflows.starts import EXPIRY_EVERY, POINTS_EXPIRY


async def test_a_lost_schedule_is_made_again_and_a_paused_one_stays_paused(client: Client) -> None:
    await schedules.prepare(client)
    handle = client.get_schedule_handle(POINTS_EXPIRY)
    made = await handle.describe()
    await handle.pause()
    await schedules.prepare(client)
    paused = await handle.describe()
    await handle.delete()
    await schedules.prepare(client)

    assert [spec.every for spec in made.schedule.spec.intervals] == [EXPIRY_EVERY]
    assert (made.schedule.state.paused, paused.schedule.state.paused) == (False, True)
    assert not (await handle.describe()).schedule.state.paused
    await handle.delete()
