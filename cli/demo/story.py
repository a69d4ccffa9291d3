"""The demonstration as it is told: what happens while it happens, then points, reasons, time lines and checks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from cli.demo.expectations import Expectation
from cli.demo.outside import Json
from settings import Settings
from storage.verification import Check


def workflow_url(settings: Settings, workflow_id: str) -> str:
    """Where Temporal's web UI shows the workflow."""
    return (
        f"{settings.temporal_ui_url}/namespaces/{settings.temporal_namespace}/workflows/{quote(workflow_id, safe='')}"
    )


class Story:
    """Writes to one console."""

    def __init__(self, console: Console, settings: Settings) -> None:
        self._console = console
        self._settings = settings

    def chapter(self, title: str) -> None:
        self._console.print(f"\n[bold cyan]{title}[/bold cyan]")

    def tell(self, what: str) -> None:
        self._console.print(f"  {what}", highlight=False, soft_wrap=True)

    def quote(self, lines: Iterable[str]) -> None:
        """What somebody reads, as it stands."""
        for line in lines:
            self._console.print(f"    │ {line}", markup=False, highlight=False, soft_wrap=True)

    def link(self, workflow_id: str) -> str:
        """Where the workflow is shown."""
        return workflow_url(self._settings, workflow_id)

    def points(self, balances: Mapping[str, Json]) -> None:
        """Who has earned how many points, most first."""
        self.chapter("Who has how many points")
        table = Table("member", "to spend", "held", "earned in all")
        earners = sorted(balances.items(), key=lambda one: -one[1]["lifetime"])
        for email, one in earners:
            if one["lifetime"]:
                table.add_row(email.partition("@")[0], *(str(one[n]) for n in ("available", "held", "lifetime")))
        self._console.print(table)

    def explanation(self, of: str, lines: Iterable[str]) -> None:
        """Why it is so, line by line."""
        self.chapter(f"Why {of}: laurel explain")
        for line in lines:
            self.tell(line)

    def order(self, order: Json) -> None:
        """The order's time line."""
        value = order["value"]
        title = (
            f"{order['item_name']}, {value['amount_minor'] / 100:.2f} {value['currency']} for {order['recipient_name']}"
        )
        paid = f"{order['price_points']} points" if order["price_points"] else "paid by the program"
        self.chapter(f"{title}, {paid}")
        began = _instant(order["created_at"])
        for step in order["steps"]:
            after = (_instant(step["recorded_at"]) - began).total_seconds()
            self.tell(f"[dim]{after:7.2f} s[/dim]  {step['step']:<12} [bold]{step['state']}[/bold]")
        if order["reward_id"]:
            self.tell(self.link(f"reward/{order['reward_id']}"))
        self.tell(self.link(f"order/{order['id']}"))

    def checks(self, checks: Sequence[Check]) -> None:
        """What was verified of the ledger."""
        self.chapter("What the ledger's verification found: laurel ledger verify")
        for check in checks:
            self.tell(f"{check.checked:>5} checked, {check.violations} violated  [dim]{check.name}[/dim]")

    def verdict(self, expectations: Iterable[Expectation]) -> None:
        """Each expectation, and whether it holds."""
        self.chapter("What had to be true")
        for one in expectations:
            sign = "[green]yes[/green]" if one.holds else "[red bold]NO [/red bold]"
            self.tell(f"{sign}  {one.what} [dim]({one.found})[/dim]")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
