"""The routes, one module per noun; all of them are served."""

from api.routes import (
    account_statements,
    catalog,
    codec,
    events,
    health,
    intake,
    leaderboards,
    members,
    notifications,
    orders,
    programs,
    reference,
    reports,
    rewards,
    statements,
)

ROUTERS = (
    health.router,
    events.router,
    members.router,
    account_statements.router,
    leaderboards.router,
    catalog.router,
    orders.router,
    rewards.router,
    notifications.router,
    programs.router,
    reports.router,
    intake.router,
    statements.router,
    codec.router,
    reference.router,
)
