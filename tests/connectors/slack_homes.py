"""Homes to render: a new member's, one as it mostly is, and one with as much as there can be."""

from dataclasses import replace
from typing import Any

from domain.account_statements import Category
from domain.answers import Balances, Holding, Line, NoPlaces, OpenChallenges, Places, Progress, Shop, Streaks, Unplaced
from domain.configuration import POINTS, Calendar
from domain.homes import (
    MAX_ACTIVITY,
    MAX_APPROVALS,
    MAX_CHALLENGES,
    MAX_PROPOSED,
    Activity,
    Approval,
    Home,
    Proposed,
)
from domain.leaderboards import BUILT_IN
from domain.members import Balance
from domain.streaks import StreakState
from tests.connectors.slack_answers import AT, HEARTS, LONG, MANY, SPRINT, STREAK, longest, shop

BERLIN = "Europe/Berlin"


def new() -> Home:
    """Of a member to whom nothing has happened, in a program that has little."""
    return Home(
        name="Ada Adler",
        time_zone=BERLIN,
        balances=Balances((Holding(POINTS, Balance("points")),), BERLIN),
        shop=Shop(0, (), (), "ada@example.com", BERLIN),
        approvals=(),
        streaks=Streaks((), BERLIN),
        challenges=OpenChallenges((), BERLIN),
        board=NoPlaces(Unplaced.NO_PLACE, [*BUILT_IN.values()]),
        activity=(),
    )


def ordinary() -> Home:
    """Some of everything."""
    names = ("Zoe Zander", "Yann Yvert", "Xaver Xu", "Willa Weber", "Vera Voss", "Ada Adler", "Ben Berg", "Cleo Cruz")
    lines = [Line(n, name, 1_500 - 50 * n, name == "Ada Adler") for n, name in enumerate(names, 12)]
    points = Balance("points", 1_234, 60, 0, 0, 2_000, AT, 100)
    return Home(
        name="Ada Adler",
        time_zone=BERLIN,
        balances=Balances(
            (Holding(POINTS, points), Holding(HEARTS, Balance("hearts", 20), Calendar.MONTH, AT)), BERLIN
        ),
        shop=shop(),
        approvals=(Approval("nom_1", "Team player", 100, "Ben Berg", "Cleo Cruz", "He stayed until all was well."),),
        streaks=Streaks(
            (
                STREAK,
                replace(
                    STREAK, title="A survey every week", state=StreakState.AT_RISK, current=3, breaks_at=AT, freezes=0
                ),
            ),
            BERLIN,
        ),
        challenges=OpenChallenges((Progress(SPRINT, 4, 4, 200, 2, 3),), BERLIN, more=1),
        board=Places(BUILT_IN["company"], POINTS, (), tuple(lines), 60),
        activity=(
            Activity(Category.EARNED, 50, AT, "A finished course"),
            Activity(Category.HELD, -250, AT, "Example Coffee"),
            Activity(Category.BONUS, 20, AT),
            Activity(Category.REVERSED, -50, AT, "A deal by its size"),
            Activity(Category.EXPIRED, -10, AT),
        ),
        proposed=(Proposed("nom_2", "Team player", 50, "Cleo Cruz"),),
        has_recognition=True,
        has_nominations=True,
    )


def largest() -> Home:
    """The longest lists of the longest texts."""
    balances, streaks, board, challenges, offered = _longest()
    return Home(
        name=LONG,
        time_zone=BERLIN,
        balances=balances,
        shop=offered,
        approvals=tuple(Approval(f"nom_{n}", LONG, MANY, LONG, LONG, LONG) for n in range(MAX_APPROVALS)),
        streaks=streaks,
        challenges=OpenChallenges(challenges.progress[:MAX_CHALLENGES], BERLIN, more=45),
        board=board,
        activity=tuple(Activity(category, sign * MANY, AT, LONG) for category in Category for sign in (1, -1))[
            :MAX_ACTIVITY
        ],
        has_recognition=True,
        has_nominations=True,
        more_approvals=True,
        proposed=tuple(Proposed(f"nom_own_{n}", LONG, MANY, LONG) for n in range(MAX_PROPOSED)),
        more_proposed=True,
    )


def _longest() -> tuple[Balances, Streaks, Places, OpenChallenges, Shop]:
    much: dict[type, Any] = {type(one): one for one in longest()}
    return much[Balances], much[Streaks], much[Places], much[OpenChallenges], much[Shop]
