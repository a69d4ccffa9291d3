"""docs/errors.md says what the table of problems says; `python -m tests.docs.test_errors` writes it anew."""

from itertools import groupby
from pathlib import Path

from api.problems import TABLE, Kind

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

INTRODUCTION = """\
# Errors

Every error is `application/problem+json` (RFC 9457): `type` (which leads to the code's explanation at the API itself),
`title`, `status`, `code`, `retryable`, and where they help `detail`, `instance` and `errors`, a list of faults with a
JSON pointer (RFC 6901) into the body or the name of a parameter. Codes are stable; titles and details are for people.

`retryable` means that the same request may succeed later without being changed. Then Retry-After says in how many
seconds; send the same Idempotency-Key again, so that nothing is done twice. A request that was answered with a status
of 500 or above may have been done all the same: its key tells.

This page is compared with the code by a test.
"""


def page() -> str:
    """docs/errors.md as it should be."""
    kinds = sorted(TABLE.values(), key=lambda kind: (kind.status, kind.code))
    sections = (_section(status, list(group)) for status, group in groupby(kinds, key=lambda kind: kind.status))
    return INTRODUCTION + "".join(sections)


def _section(status: int, kinds: list[Kind]) -> str:
    return f"\n## {status}\n" + "".join(
        f"\n### {kind.code}\n\n{kind.title} {'Retryable. ' if kind.retryable else ''}{kind.meaning}\n" for kind in kinds
    )


def test_the_page_of_errors_is_the_table() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
