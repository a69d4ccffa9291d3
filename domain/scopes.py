"""Scopes: what an API key may do. A route names the one that it needs."""

from collections.abc import Collection, Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One permission; DESCRIPTIONS says what each allows."""

    EVENTS_WRITE = "events:write"
    EVENTS_READ = "events:read"
    MEMBERS_WRITE = "members:write"
    MEMBERS_READ = "members:read"
    MEMBERS_MERGE = "members:merge"
    ABSENCES_WRITE = "absences:write"
    ABSENCES_READ = "absences:read"
    STREAKS_READ = "streaks:read"
    BALANCES_READ = "balances:read"
    LEDGER_READ = "ledger:read"
    LEDGER_WRITE = "ledger:write"
    EARNINGS_WRITE = "earnings:write"
    ADJUSTMENTS_WRITE = "adjustments:write"
    HOLDS_WRITE = "holds:write"
    TRANSFERS_WRITE = "transfers:write"
    CONVERSIONS_WRITE = "conversions:write"
    REVERSALS_WRITE = "reversals:write"
    ADJUSTMENTS_APPROVE = "adjustments:approve"
    TOKENS_WRITE = "tokens:write"
    CATALOG_READ = "catalog:read"
    ORDERS_WRITE = "orders:write"
    ORDERS_READ = "orders:read"
    RECOGNITIONS_READ = "recognitions:read"
    RECOGNITIONS_WRITE = "recognitions:write"
    LEADERBOARDS_READ = "leaderboards:read"
    CHALLENGES_READ = "challenges:read"
    CHALLENGES_WRITE = "challenges:write"
    CHALLENGES_PREVIEW = "challenges:preview"
    CONFIGURATIONS_READ = "configurations:read"
    CONFIGURATIONS_PUBLISH = "configurations:publish"
    NOMINATIONS_READ = "nominations:read"
    NOMINATIONS_WRITE = "nominations:write"
    NOMINATIONS_DECIDE = "nominations:decide"
    NOTIFICATIONS_READ = "notifications:read"
    NOTIFICATIONS_WRITE = "notifications:write"
    REPORTS_READ = "reports:read"
    PROGRAMS_ADMIN = "programs:admin"


DESCRIPTIONS = {
    Scope.EVENTS_WRITE: "Send events, one or in batches.",
    Scope.EVENTS_READ: "Read events and the explanation of what each earned.",
    Scope.MEMBERS_WRITE: "Create and change members and their identities.",
    Scope.MEMBERS_READ: "Read members and their attributes.",
    Scope.MEMBERS_MERGE: "Merge two members who are one person, and undo it.",
    Scope.ABSENCES_WRITE: "Say when members are away, and that they are not.",
    Scope.ABSENCES_READ: "Read when members are away, and why: people's data, sick leave among it.",
    Scope.STREAKS_READ: "Read members' streaks and what kept or broke them.",
    Scope.BALANCES_READ: "Read members' balances and their history of earnings and redemptions.",
    Scope.LEDGER_READ: "Read lots, holds, promised value and adjustments.",
    Scope.LEDGER_WRITE: "Order whatever the ledger does: what the next six allow, several at once, close, expire.",
    Scope.EARNINGS_WRITE: "Grant value, at once or promised, and confirm or cancel promises.",
    Scope.ADJUSTMENTS_WRITE: "Correct balances by hand, and propose large corrections.",
    Scope.HOLDS_WRITE: "Set value aside, spend it or give it back.",
    Scope.TRANSFERS_WRITE: "Transfer value between members.",
    Scope.CONVERSIONS_WRITE: "Convert value into another unit.",
    Scope.REVERSALS_WRITE: "Reverse transactions.",
    Scope.ADJUSTMENTS_APPROVE: "Approve or reject large adjustments that somebody else proposed.",
    Scope.TOKENS_WRITE: "Give out member tokens: each reads one member's balance, for minutes.",
    Scope.CATALOG_READ: "Read the catalog: what can be redeemed, and for how many points.",
    Scope.ORDERS_WRITE: "Place orders and choose rewards, which spends points and money.",
    Scope.ORDERS_READ: "Read orders and rewards.",
    Scope.RECOGNITIONS_READ: "Read who thanked whom and why, also what is private.",
    Scope.RECOGNITIONS_WRITE: "Thank in any member's name, and take it back.",
    Scope.LEADERBOARDS_READ: "Read leaderboards and a member's place on them.",
    Scope.CHALLENGES_READ: "Read challenges, who has completed them and who stands where.",
    Scope.CHALLENGES_WRITE: "Write, launch, extend and cancel challenges.",
    Scope.CHALLENGES_PREVIEW: "See what a challenge would have paid, and the most that it can cost.",
    Scope.CONFIGURATIONS_READ: "Read who changed the configuration and what, and what is proposed.",
    Scope.CONFIGURATIONS_PUBLISH: "Publish or withdraw proposed configurations, and go back to earlier ones.",
    Scope.NOMINATIONS_READ: "Read nominations, who decides on them, and what was decided.",
    Scope.NOMINATIONS_WRITE: "Nominate colleagues for members, and withdraw that.",
    Scope.NOMINATIONS_DECIDE: "Decide on nominations, for those who approve them or as an administrator.",
    Scope.NOTIFICATIONS_READ: "Read notifications.",
    Scope.NOTIFICATIONS_WRITE: "Mark notifications as read, and say what members want to be told.",
    Scope.REPORTS_READ: "Read reports on the whole ledger: balances of accounts, liability, spend, the journal.",
    Scope.PROGRAMS_ADMIN: "Everything above, and all that concerns the program itself.",
}


# What `ledger:write` allows besides what it is needed for.
OF_LEDGER = frozenset(
    {
        Scope.EARNINGS_WRITE,
        Scope.ADJUSTMENTS_WRITE,
        Scope.HOLDS_WRITE,
        Scope.TRANSFERS_WRITE,
        Scope.CONVERSIONS_WRITE,
        Scope.REVERSALS_WRITE,
    }
)


def parse(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names; raises ValueError that names the unknown ones."""
    wanted = frozenset(names)
    if unknown := wanted.difference(Scope):
        raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
    return frozenset(map(Scope, wanted))


def allows(held: Collection[Scope], needed: Scope) -> bool:
    """Whether a key that holds these scopes may do what needs this one."""
    return needed in held or Scope.PROGRAMS_ADMIN in held or (needed in OF_LEDGER and Scope.LEDGER_WRITE in held)
