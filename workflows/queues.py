"""Task queues: one for workflows and their SQL, and one per outside system, so that a storm at one leaves others alone.

A rate is the system's documented limit over the requests that one activity makes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queue:
    """`activities_per_second` holds over all workers of the queue; None is no limit."""

    name: str
    activities_per_second: float | None = None


LAUREL = Queue("laurel")

# Its rate is a setting, TREMENDOUS_REQUESTS_PER_SECOND; the activities of an order make one request each on average.
TREMENDOUS = Queue("laurel-tremendous")

# A hundred requests in ten seconds per private app (HubSpot's "API usage guidelines"); an activity makes up to two.
HUBSPOT = Queue("laurel-hubspot", 5.0)

# BambooHR publishes no figure and answers 429 with the wait that it asks for; a page asks one thing after the other.
BAMBOOHR = Queue("laurel-bamboohr", 2.0)

# Slack lets a bot post about one message a second in a channel, and tells whoever is faster to wait; a delivery makes
# most of its requests in one channel.
SLACK = Queue("laurel-slack", 20.0)

# By the kind of the connection whose outside system is called.
BY_KIND = {"tremendous": TREMENDOUS, "hubspot": HUBSPOT, "bamboohr": BAMBOOHR}
