"""Lists for people show ids whole, also in a narrow terminal: whoever reads one must be able to copy it."""

import orjson
import pytest

from tests.cli.conftest import Laurel

SECRETS = '{"client_secret": "one", "access_token": "two"}'


@pytest.mark.parametrize("listing", [["programs", "list"], ["keys", "list"], ["connections", "list"]], ids=" ".join)
def test_ids_are_shown_whole_in_a_narrow_terminal(
    laurel: Laurel, monkeypatch: pytest.MonkeyPatch, listing: list[str]
) -> None:
    laurel("init", "--name", "A company whose name is rather long")
    laurel("connections", "add", "hubspot", "--name", "crm", "--secrets", "-", input=SECRETS)
    known = [one["id"] for one in orjson.loads(laurel(*listing, "--json").stdout)]

    monkeypatch.setenv("COLUMNS", "80")
    shown = laurel(*listing).stdout

    assert known
    assert all(one in shown for one in known)
