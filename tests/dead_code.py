"""Find what nobody uses: python -m tests.dead_code. Settings and reasons are in pyproject.toml.

Vulture cannot know who reads a field of a dataclass, a model or an enumeration (JSON, SQL rows and templates do, by
name), so of those it only counts what it is sure of.
"""

import sys

from vulture.config import make_config
from vulture.core import Vulture

SURE = 100  # percent


def main() -> int:
    """Print what looks unused, a line each; the number of lines."""
    config = make_config([])
    vulture = Vulture(ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"])
    vulture.scavenge(config["paths"])
    unused = [
        item
        for item in vulture.get_unused_code(min_confidence=config["min_confidence"])
        if item.typ != "variable" or item.confidence == SURE
    ]
    for item in unused:
        sys.stdout.write(f"{item.get_report()}\n")
    return len(unused)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
