"""What the game's definitions must keep beyond their shape."""

from domain.checks import Told
from domain.definitions import Definitions
from domain.game import Badge, Board, TierLadder
from domain.shapes import Path


def tier(path: Path, ladder: TierLadder, definitions: Definitions) -> Told:
    yield from ()


def badge(path: Path, found: Badge, definitions: Definitions) -> Told:
    yield from ()


def board(path: Path, found: Board, definitions: Definitions) -> Told:
    yield from ()
