"""The schema of the game: counters of all members together, streaks, challenges, boards, tiers, badges, absences.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""

from sqlalchemy import BigInteger, Column, Date, ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text

from storage.tables import Id, metadata

# What budgets and challenges count of all members together, per period in the program's time zone.
program_counters = Table(
    "program_counters",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("name", Text(collation="C"), nullable=False),
    Column("period", Text(collation="C"), nullable=False),
    Column("period_on", Date, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("program_id", "name", "period", "period_on"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)
