"""The outbox lane that has signed checkpoints kept outside."""

from collections.abc import Sequence

from connectors.checkpoints import Keeper
from domain.outbox import ClaimedRow
from storage import checkpoints
from storage.database import Database


class CheckpointLane:
    """Acts on the rows of the lane "checkpoints": each is kept by every keeper, some perhaps twice."""

    def __init__(self, database: Database, keepers: Sequence[Keeper]) -> None:
        self._database = database
        self._keepers = keepers

    async def __call__(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            note = await checkpoints.get_note(session, row.program_id, row.payload["size"])
        for keeper in self._keepers:
            await keeper.keep(note)
