"""What every server process does to its Python."""

import asyncio

import runtime


async def test_a_task_that_loses_its_cancellation_is_told_again() -> None:
    told = 0

    async def swallow_one() -> None:
        nonlocal told
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1
                if told > 1:
                    raise

    tasks = [asyncio.create_task(loop) for loop in (swallow_one(), asyncio.sleep(60))]
    await asyncio.sleep(0)

    await runtime.end(tasks)

    assert (told, [task.cancelled() for task in tasks]) == (2, [True, True])


async def test_what_has_ended_is_not_waited_for() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task

    await runtime.end([task])

    assert not task.cancelled()
