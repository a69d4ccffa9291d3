"""Whatever the values are, arrays bring them to the server as they were."""

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from storage.sets import array

TEXT = st.text(st.characters(exclude_characters="\x00\x01", exclude_categories=["Cs"])) | st.sampled_from(
    ["", "NULL", "null", '"', "\\", "{}", "a,b", " padded ", "\\x41", "'", "\n"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SECOND_DAY = datetime(1, 1, 2)  # noqa: DTZ001 - hypothesis adds the zone
KINDS: list[tuple[Column[Any], str, st.SearchStrategy[Any]]] = [
    (Column(Text), "text", TEXT),
    (Column(JSONB), "jsonb", JSON.filter(lambda value: value is not None)),
    (Column(LargeBinary), "bytea", st.binary(max_size=20)),
    (Column(BigInteger), "bigint", st.integers(-(2**63), 2**63 - 1)),
    (Column(Boolean), "boolean", st.booleans()),
    (Column(Date), "date", st.dates(date(1, 1, 1))),
    (Column(DateTime(timezone=True)), "timestamptz", st.datetimes(SECOND_DAY, timezones=st.just(UTC))),
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(KINDS))
async def test_arrays_arrive_as_they_were(session: AsyncSession, data: st.DataObject, kind: Any):
    column, sql_type, values = kind
    sent = data.draw(st.lists(st.none() | values, min_size=1, max_size=6))
    query = text(f"SELECT v FROM unnest(CAST(:sent AS {sql_type}[])) WITH ORDINALITY AS u(v, n) ORDER BY n")

    received = (await session.execute(query, {"sent": array(column, sent)})).scalars().all()

    assert [bytes(value) if sql_type == "bytea" and value is not None else value for value in received] == sent


async def test_the_character_that_separates_elements_is_replaced(session: AsyncSession):
    literal = array(Column(Text), ["a\x01b", "c"])

    received = await session.execute(text("SELECT unnest(CAST(:sent AS text[]))"), {"sent": literal})

    assert list(received.scalars()) == ["a\ufffdb", "c"]
