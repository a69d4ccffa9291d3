"""The routes, one module per noun; all of them are served."""

from api.routes import events, health

ROUTERS = (health.router, events.router)
