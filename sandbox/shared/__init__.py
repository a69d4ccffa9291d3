"""What every sandbox has that its vendor has not: faults, notices that are held and sent again, a memory, controls.

A sandbox of a vendor "acme" that is built with it:

    # sandbox/acme/faults.py: what can go wrong, and how the vendor words it
    class Fault(faults.Fault):
        kind: Literal["rate_limited", "garbled", "slow"]

    async def spoil(request: Request) -> None:
        fault = await faults.strike(request)
        if fault and fault.kind == "rate_limited":
            raise Refused(429, ...)

    # sandbox/acme/notices.py: how the vendor writes and signs what it tells
    class Webhook(notices.Webhook):
        batch_max = 100

        def written(self, batch: Sequence[Json]) -> Written: ...

    # sandbox/acme/kept.py: which records outlive a restart
    class Memory(kept.Memory[Records]):
        def gather(self) -> Records: ...
        def put_back(self, records: Records) -> None: ...

    # sandbox/acme/app.py: every control but those that play the vendor's users is there after this
    webhook = Webhook(secret, clock, webhook_url)
    app.state.shop = Shop(clock, webhook.tell)
    memory = Memory(data, app.state.shop, webhook) if data else None
    furnish(app, webhook=webhook, fault=Fault, refused=lambda message: Refused(409, message), memory=memory)
    app.include_router(api, dependencies=[Depends(count), Depends(authenticate), Depends(spoil)])

Whatever changes a record tells the webhook and ends with `await webhook.changed()`.
"""
