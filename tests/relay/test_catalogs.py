"""Vendors' catalogs are read when they are old."""

from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.listing import activities_of
from activities.orders import OrderActivities
from activities.vendor_notices import VendorNoticeActivities
from relay.catalogs import OLD_AFTER, Catalogs
from sandbox.tremendous import create_app
from storage import catalog
from storage.database import Database
from tests.eventually import eventually
from tests.sandboxes import running
from tests.shop import Shop, now, open_shop
from workflows.queues import TREMENDOUS


def later() -> datetime:
    return now() + OLD_AFTER + timedelta(minutes=1)


async def coffee_is_known(shop: Shop) -> None:
    async with shop.database.begin() as session:
        sold = await catalog.find_sold(session, shop.id, shop.connection_id, "SMPLCOFFEEUS")
    assert sold.product is not None


async def test_a_catalog_is_read_once_until_it_is_old(client: Client, db: Database) -> None:
    with running(create_app()) as root:
        shop = await open_shop(db, f"{root}/api/v2/")
        of_orders = OrderActivities(db, shop.keyring, shop.vendors, now)
        served = activities_of(VendorNoticeActivities(db, shop.keyring, shop.vendors, of_orders, now))
        async with Worker(client, task_queue=TREMENDOUS.name, activities=served):
            first = await Catalogs(client, db, clock=now).refresh()
            await eventually(lambda: coffee_is_known(shop))
            again = await Catalogs(client, db, clock=now).refresh()
            old = await Catalogs(client, db, clock=later).refresh()
        await shop.vendors.aclose()

    assert (first, again, old) == (1, 0, 1)
