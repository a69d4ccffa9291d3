"""docs/commands.md says what `laurel --help` says; `python -m tests.docs.test_commands` writes it anew."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cli.commands import app_for

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
INTRODUCTION = """\
# Commands

What `laurel` can do; `laurel COMMAND --help` says the same. Commands work on the deployment that the
[settings](settings.md) name, or on the stack that `laurel up` runs in this directory. A command that cannot do its work
says why in one line and ends with status 1.

This page is compared with the code by a test.
"""


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it, in the order of the words."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def page() -> str:
    """docs/commands.md as it should be."""
    return INTRODUCTION + "".join(_section(path, command) for path, command in every_command())


def every_command() -> list[tuple[str, Any]]:
    return list(commands(typer.main.get_command(app_for()), "laurel"))


def _section(path: str, command: Any) -> str:
    arguments = "".join(f" {one.name.upper()}" for one in command.params if one.param_type_name == "argument")
    lines = "".join(_option(one) for one in command.params)
    return f"\n## {path}{arguments}\n\n{inspect.cleandoc(command.help or '')}\n" + (f"\n{lines}" if lines else "")


def _option(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    written = [parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    names = ", ".join(f"`{name}`" for name in written)
    told = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    default = "" if told in (None, False, "") or parameter.required else f" Default: {told}."
    return f"- {names}{' (required)' if parameter.required else ''}: {parameter.help}{default}\n"


def test_the_page_documents_every_command() -> None:
    assert PAGE.read_text() == page()


def test_every_command_and_every_parameter_says_what_it_is_for() -> None:
    for path, command in every_command():
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path}: {parameter.name}"


if __name__ == "__main__":
    PAGE.write_text(page())
