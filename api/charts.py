"""The chart of accounts: a file that says which accounts of the general ledger ours are."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from domain.reports import Chart, InvalidChart

MAX_BYTES = 1024 * 1024


def read_chart(path: Path | None) -> Chart:
    """The chart of a YAML file, or the default one; raises InvalidChart that names the file."""
    if path is None:
        return Chart({})
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidChart(f"has more than {MAX_BYTES} bytes")
        return Chart.read(YAML(typ="safe").load(path.read_text()))
    except (OSError, UnicodeDecodeError, YAMLError, InvalidChart) as error:
        raise InvalidChart(f"{path}: {error}") from None
