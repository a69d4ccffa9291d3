"""The routes, one module per noun; all of them are served."""

from api.routes import catalog, codec, events, health, leaderboards, members, notifications, orders, programs, rewards

ROUTERS = (
    health.router,
    events.router,
    members.router,
    leaderboards.router,
    catalog.router,
    orders.router,
    rewards.router,
    notifications.router,
    programs.router,
    codec.router,
)
