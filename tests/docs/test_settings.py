"""docs/settings.md and .env.example say what `Settings` says; `python -m tests.docs.test_settings` writes them anew."""

from pathlib import Path

from pydantic.fields import FieldInfo

from settings import DEVELOPMENT_KEYS, DEVELOPMENT_SIGNING_KEYS, Settings

# Keys do not show themselves.
DEVELOPMENT = {"laurel_secret_keys": DEVELOPMENT_KEYS, "ledger_signing_keys": DEVELOPMENT_SIGNING_KEYS}
ROOT = Path(__file__).parents[2]
PAGE, EXAMPLE = ROOT / "docs" / "settings.md", ROOT / ".env.example"

INTRODUCTION = """\
# Settings

Every setting is an environment variable. A value is taken from the environment; then, for those marked *secret*, from
the file that `<NAME>_FILE` names (give one of the two); then from `.env` in the working directory; then, for commands
beside a running `laurel up`, from what that stack wrote into its state directory; then from the default. An empty
value counts as none. Nothing else in Laurel reads the environment.

`laurel up` starts a server of its own for each of DATABASE_URL, REDIS_URL and TEMPORAL_ADDRESS that is not set.

This page is compared with the code by a test.
"""


def default(name: str, field: FieldInfo) -> str:
    """A field's default as an operator would write it."""
    if field.default is None:
        return ""
    return DEVELOPMENT.get(name, str(field.default))


def is_secret(field: FieldInfo) -> bool:
    return isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret") is True


def page() -> str:
    """docs/settings.md as it should be."""
    return INTRODUCTION + "".join(_section(name, field) for name, field in Settings.model_fields.items())


def _section(name: str, field: FieldInfo) -> str:
    value = f"Default: `{default(name, field)}`." if default(name, field) else "No default."
    secret = f" *Secret*: also read from the file that {name.upper()}_FILE names." if is_secret(field) else ""
    return f"\n## {name.upper()}\n\n{field.description}\n\n{value}{secret}\n"


def example() -> str:
    """.env.example as it should be: every setting, commented out, with its default."""
    lines = "".join(_example(name, field) for name, field in Settings.model_fields.items())
    return f"# Copy to .env and uncomment what you change. docs/settings.md explains each.\n{lines}"


def _example(name: str, field: FieldInfo) -> str:
    meaning = (field.description or "").split(". ")[0].rstrip(".")
    return f"\n# {meaning}.\n#{name.upper()}={default(name, field)}\n"


def test_the_page_documents_every_setting() -> None:
    assert PAGE.read_text() == page()


def test_the_example_names_every_setting() -> None:
    assert EXAMPLE.read_text() == example()


def test_every_setting_says_what_it_means() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    EXAMPLE.write_text(example())
