"""docs/api.md names every operation with its scope; `python -m tests.docs.test_api` writes its table anew."""

from collections.abc import Iterator
from pathlib import Path

from api.operations import SECURITY_SCHEME
from tests.api.test_openapi import OPERATIONS

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BEGINNING = "<!-- operations -->\n"


def table() -> str:
    """The table of operations as it should be."""
    head = "| Method and path | What it does | Scope |\n|---|---|---|\n"
    return head + "".join(_rows())


def _rows() -> Iterator[str]:
    for method, path, operation in OPERATIONS:
        security = operation.get("security")
        scope = f"`{security[0][SECURITY_SCHEME][0]}`" if security and SECURITY_SCHEME in security[0] else ""
        yield f"| `{method.upper()} {path}` | {operation['summary']}. | {scope} |\n"


def test_the_page_of_the_api_names_every_operation() -> None:
    assert PAGE.read_text().split(BEGINNING)[1] == table()


if __name__ == "__main__":
    kept = PAGE.read_text().split(BEGINNING)[0]
    PAGE.write_text(kept + BEGINNING + table())
