"""What is said in Slack is said in every language that we speak, with the same values, and fits where it stands."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message

from connectors.slack import blocks
from connectors.slack.texts import TRANSLATED
from tests.connectors.slack_catalogs import ROOT, said, sources, translated

UPDATE = "python -m tests.connectors.slack_catalogs brings the catalogues up to date; then translate what is empty"
COUNTING = ("count", "counted")
SPEAKING = ("say", "later", "sentence", *COUNTING)
VALUE = "12,345,678"  # stands for each value where lengths are measured
# How long a text may be by where it is handed in: nobody should ever see one of ours cut.
ROOM = {
    ("header", "text"): blocks.HEADER,
    ("button", "text"): 30,  # Slack takes 75 and shows some 30
    ("option", "text"): blocks.OPTION,
    ("option", "description"): blocks.OPTION,
    ("select", "placeholder"): blocks.PLACEHOLDER,
    ("grouped_select", "placeholder"): blocks.PLACEHOLDER,
    ("user_select", "placeholder"): blocks.PLACEHOLDER,
    ("multi_user_select", "placeholder"): blocks.PLACEHOLDER,
    ("text_input", "placeholder"): blocks.PLACEHOLDER,
    ("input", "label"): 100,
    ("input", "hint"): 300,
    ("modal", "title"): blocks.TITLE,
    ("modal", "submit"): blocks.TITLE,
    ("modal", "close"): blocks.TITLE,
}
LONGEST = 600  # characters of any message: a paragraph

said = cache(said)
translated = cache(translated)


@pytest.mark.parametrize("language", TRANSLATED)
def test_everything_that_is_said_is_translated(language):
    """None is missing, empty or a guess, and none is kept that nobody says any more."""
    wanted, had = _ids(said()), _ids(translated(language))

    assert wanted - had == set(), UPDATE
    assert had - wanted == set(), UPDATE
    assert list(translated(language).obsolete) == [], UPDATE
    assert [message.id for message in _messages(language) if message.fuzzy or not all(_strings(message))] == [], UPDATE


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_values_of_its_message(language):
    different = [
        (message.id, string)
        for message in _messages(language)
        for english, string in zip(_english(message), _strings(message), strict=True)
        if _values(string) != _values(english)
    ]

    assert different == []


@pytest.mark.parametrize("language", ["en", *TRANSLATED])
def test_no_text_is_too_long_for_where_it_stands(language):
    too_long = [
        (path, line, text)
        for path, line, sentences, room in _placed()
        for text in _in(language, sentences)
        if len(_filled(text)) > room
    ]

    assert too_long == []


def test_what_is_said_is_written_out_where_it_is_said():
    """What is put together first is in no catalogue, nor is what is taken for somebody else's words."""
    together = [
        (path.name, call.lineno)
        for path in sources()
        for call in _calls(path.read_text(), SPEAKING)
        if any(isinstance(one, ast.JoinedStr | ast.BinOp) for one in call.args[:2])
    ]
    ours = [
        (path.name, call.lineno)
        for path in sources()
        for call in _calls(path.read_text(), ("alone",))
        if isinstance(call.args[0], ast.JoinedStr | ast.Constant)
    ]

    assert together == []
    assert ours == []


def test_nothing_is_said_where_it_is_not_looked_for():
    """Messages are not found within an f-string, and would be said in English to everybody."""
    found = _ids(said())
    missed = [
        (path.name, line, sentences)
        for path in sources()
        for line, sentences in _sentences(ast.parse(path.read_text()))
        if sentences not in found
    ]

    assert missed == []


# -- What is said where --------------------------------------------------------------------------------------------


def _placed() -> Iterator[tuple[str, int, tuple[str, ...], int]]:
    """Every message that is said in an argument with little room, and everything else with room for a paragraph."""
    for path in sources():
        source = path.read_text()
        where = str(path.relative_to(ROOT))
        yield from ((where, line, sentences, LONGEST) for line, sentences in _sentences(ast.parse(source)))
        for call in _calls(source, {name for name, _ in ROOM}):
            for name, argument in _arguments(call):
                if room := ROOM.get((_name(call), name)):
                    yield from ((where, line, sentences, room) for line, sentences in _sentences(argument))


def _arguments(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    names = list(inspect.signature(getattr(blocks, _name(call))).parameters)
    yield from zip(names, call.args, strict=False)
    yield from ((keyword.arg or "", keyword.value) for keyword in call.keywords)


def _sentences(tree: ast.AST) -> Iterator[tuple[int, tuple[str, ...]]]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call) in SPEAKING:
            literals = [one.value for one in call.args[:2] if isinstance(one, ast.Constant)]
            texts = tuple(literal for literal in literals if isinstance(literal, str))
            if texts and (_name(call) not in COUNTING or len(texts) == 2):
                yield call.lineno, texts


def _calls(source: str, names) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _name(node) in names:
            yield node


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _in(language: str, sentences: tuple[str, ...]) -> tuple[str, ...]:
    if language == "en":
        return sentences
    message = translated(language).get(sentences[0] if len(sentences) == 1 else sentences)
    return _strings(message) if message else ()


# -- Catalogues ----------------------------------------------------------------------------------------------------


def _messages(language: str) -> list[Message]:
    return [message for message in translated(language) if message.id]


def _ids(catalogue: Catalog) -> set[tuple[str, ...]]:
    return {_english(message) for message in catalogue if message.id}


def _strings(message: Message) -> tuple[str, ...]:
    return _several(message.string)


def _english(message: Message) -> tuple[str, ...]:
    return _several(message.id)


def _several(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, (tuple, list)) else (str(text or ""),)


def _values(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _filled(text: str) -> str:
    return text.format(**dict.fromkeys(_values(text), VALUE))
