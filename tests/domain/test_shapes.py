"""Plain data into dataclasses and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from domain.shapes import Fault, read, write


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Wheel:
    inches: int
    colour: Colour | None = field(default=None, metadata={"none": "bare"})


@dataclass(frozen=True, slots=True)
class Cart:
    key: str
    name: str
    wheels: tuple[Wheel, ...] = ()
    parts: Mapping[str, Wheel] = field(default_factory=dict)
    sold: bool = False
    sold_at: datetime | None = None


def told(data: Any) -> list[tuple[str, str]]:
    faults: list[Fault] = []
    assert read(Cart, data, ("carts", "a"), faults, key="a") is None
    return [(".".join(map(str, fault.path)), fault.message) for fault in faults]


def test_data_becomes_the_dataclass_and_the_same_data_again() -> None:
    data = {
        "name": "Blue cart",
        "wheels": [{"inches": 20, "colour": "blue"}, {"inches": 21, "colour": "bare"}],
        "parts": {"spare": {"inches": 20, "colour": "bare"}},
        "sold": True,
        "sold_at": "2027-01-31T09:00:00+00:00",
    }
    faults: list[Fault] = []

    cart = read(Cart, data, (), faults, key="a")

    assert faults == []
    assert cart.wheels == (Wheel(20, Colour.BLUE), Wheel(21, None))
    assert cart.sold_at == datetime(2027, 1, 31, 9, tzinfo=UTC)
    assert write(cart, leave_out=("key",)) == data


def test_what_is_absent_takes_its_default() -> None:
    assert read(Cart, {"name": "x"}, (), [], key="a") == Cart("a", "x")


def test_every_fault_is_told_with_its_path() -> None:
    data = {"wheels": [{"inches": 1.5}, {}, 3], "sold": "yes", "sold_at": "2027-01-31T09:00:00", "wheel": 1}

    assert told(data) == [
        ("carts.a.wheel", "unknown key wheel: did you mean wheels?"),
        ("carts.a", "name is required"),
        ("carts.a.wheels.0.inches", "must be a whole number, not 1.5"),
        ("carts.a.wheels.1", "inches is required"),
        ("carts.a.wheels.2", "must be a mapping, not 3"),
        ("carts.a.sold", "must be true or false, not 'yes'"),
        ("carts.a.sold_at", "must be a time with its offset, as 2027-01-31T09:00:00Z, not '2027-01-31T09:00:00'"),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("green", "must be one of red, blue, not 'green', or bare"),
        (None, "must be one of red, blue, not '', or bare"),
        (1, "must be one of red, blue, not 1, or bare"),
    ],
)
def test_a_choice_is_one_of_its_words(value: Any, message: str) -> None:
    assert told({"name": "x", "wheels": [{"inches": 1, "colour": value}]}) == [("carts.a.wheels.0.colour", message)]


@pytest.mark.parametrize(
    ("value", "kind"), [(7, "7"), (True, "true"), (None, "nothing"), ([], "a list"), ({}, "a mapping"), (2.5, "2.5")]
)
def test_text_is_never_made_of_something_else(value: Any, kind: str) -> None:
    assert told({"name": value}) == [
        ("carts.a.name", f"must be text (in quotes if it looks like a number), not {kind}")
    ]


def test_a_yes_is_no_whole_number() -> None:
    assert told({"name": "x", "wheels": [{"inches": True}]}) == [
        ("carts.a.wheels.0.inches", "must be a whole number, not true")
    ]
