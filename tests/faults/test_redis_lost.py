"""Redis is away or emptied: nothing that matters is kept there."""

from redis.asyncio import Redis

from cli.demo.outside import Json
from tests.deployment import LOOK_SECONDS, DeployedCompany
from tests.eventually import eventually
from tests.faults.conftest import NewCompany

NOBODY = "redis://127.0.0.1:1/0"


async def test_boards_come_back_by_themselves_when_redis_was_emptied(new_company: NewCompany, redis: Redis) -> None:
    company = await new_company()
    await company.deployment.start_worker()
    for email, amount_minor in (("maya@example.com", 3_000_000), ("owen@example.com", 2_000_000)):
        await company.earn(email, f"deal-{email}", amount_minor)
    before = await board(company, ["Maya", "Owen"])

    await redis.flushdb()
    after = await board(company, ["Maya", "Owen"])

    assert after == before


async def test_while_redis_is_away_points_are_earned_and_spent(new_company: NewCompany) -> None:
    company = await new_company(redis=NOBODY)
    await company.deployment.start_worker()

    await company.earn("maya@example.com", "deal-1")
    order = await company.redeem("maya@example.com")
    await company.order_in(order["id"], "delivered")

    assert await company.balance("maya@example.com") == (200, 0)


async def board(company: DeployedCompany, names: list[str]) -> list[Json]:
    """The company's board, once it shows these."""

    async def look() -> list[Json]:
        places: list[Json] = (await company.api.call("GET", "/v1/leaderboards/company"))["items"]
        assert [place["name"] for place in places] == names
        return places

    return await eventually(look, LOOK_SECONDS)
