"""The demonstration's last act: a company that is made up lives through a month, and every line of it is explained."""

from dataclasses import replace
from typing import Any

from cli.configurations import read_folder
from cli.demo.record import Month
from cli.demo.story import Story
from cli.seed import CONFIGURATION
from cli.simulate import make_program
from domain.definitions import Definitions
from simulation.company import STARTS_ON
from simulation.life import company_of, live
from storage import explained
from storage.database import Database

COMPANY: dict[str, Any] = {"members": 12, "months": 1, "seed": 1, "starts_on": STARTS_ON}


async def live_through(database: Database, story: Story, beside: str) -> Month:
    """A month of the same twelve people each time, in a program of its own."""
    story.chapter("A company that is made up lives through a month")
    name = f"A month beside {beside}"
    program_id = await make_program(database, name, _without_rewards(read_folder(CONFIGURATION)), COMPANY)
    told = await live(database, program_id, await company_of(database, program_id, **COMPANY))
    story.tell(f"{program_id}: {COMPANY['members']} people work, learn, sell, are ill and on leave for 30 days;")
    story.tell("their sources are late, correct themselves and take back, and all of it goes by the one door")
    month = Month(told.total(), await explained.verify(database, program_id))
    for check in month.checks:
        story.tell(f"{check.checked:>5} checked, {check.violations} violated  [dim]{check.name}[/dim]")
    return month


def _without_rewards(definitions: Definitions) -> Definitions:
    """Nobody delivers to people who are made up."""
    rules = {key: rule for key, rule in definitions.rules.items() if rule.reward is None}
    return replace(definitions, rules=rules, milestones={})
