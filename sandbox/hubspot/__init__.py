"""A local HubSpot: deals, owners and signed notices in HubSpot's own wire format, with faults on request."""

from sandbox.hubspot.app import create_app

__all__ = ["create_app"]
