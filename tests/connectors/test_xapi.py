"""xAPI as a source: who is believed, which statements are valid, which are the same, and which are facts."""

import copy
import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import xapi
from connectors.errors import (
    BadSignature,
    MalformedNotice,
    NoticeRefused,
    TooLarge,
    WrongContentType,
    WrongVersion,
)
from connectors.sources import Request, Source
from connectors.xapi import Sent, translate
from domain.events import Event, Identity
from tests.connectors.xapi_statements import BASIC, BEARER, CONNECTION, NOW, SECRET, STATEMENT_ID, request, statement

NEW_ID = "11111111-1111-4111-8111-111111111111"
OTHER_ID = "22222222-2222-4222-9222-222222222222"


def read(body: object, statement_id: str | None = None) -> list[Sent]:
    return xapi.statements(request(body), lambda: NEW_ID, statement_id)


def fact(**more: Any) -> Event | None:
    (sent,) = read(statement(**more))
    return translate("lms", sent, NOW)


# -- Who is believed -----------------------------------------------------------------------------------------------


def test_the_module_keeps_the_contract_of_a_source() -> None:
    source: Source = xapi

    assert source.KIND == "xapi"


@pytest.mark.parametrize("authorization", [BASIC, BEARER, BASIC.replace("Basic", "basic"), f"{BEARER} "])
def test_basic_and_bearer_credentials_of_the_connection_are_believed(authorization: str) -> None:
    incoming = request([], authorization=authorization)

    xapi.verify(incoming, SECRET, NOW)

    assert xapi.credentials(incoming) == (CONNECTION, SECRET)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic %%%",
        "Basic /w==",
        "Basic bm9jb2xvbg==",
        "Bearer",
        "Bearer nodot",
        "Digest a.b",
        "\udcff x",
        f"Bearer {CONNECTION}.other",
        f"Bearer {CONNECTION}.{SECRET}x",
        f"Bearer {CONNECTION}.\udcff",
    ],
)
def test_other_credentials_are_not_believed(authorization: str) -> None:
    with pytest.raises(BadSignature):
        xapi.verify(request([], authorization=authorization), SECRET, NOW)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("1.0", "1.0.3"), ("1.0.0", "1.0.3"), ("1.0.3", "1.0.3"), ("1.0.12", "1.0.3"), ("2.0.0", "2.0.0")],
)
def test_both_versions_are_spoken(asked: str, answered: str) -> None:
    incoming = request([], x_experience_api_version=asked)

    xapi.verify(incoming, SECRET, NOW)

    assert xapi.answer_version(incoming) == answered


@pytest.mark.parametrize(
    "asked", ["", "0.95", "1", "1.1.0", "1.0.", "2.0", "2.1.0", "3.0.0", "1.0.x", "1.0.٣", "01.0.3"]
)
def test_other_versions_and_none_are_refused(asked: str) -> None:
    with pytest.raises(WrongVersion):
        xapi.verify(request([], x_experience_api_version=asked), SECRET, NOW)


def test_a_statement_with_attachments_in_the_request_is_the_wrong_content_type() -> None:
    with pytest.raises(WrongContentType):
        xapi.verify(request([], content_type="multipart/mixed; boundary=x"), SECRET, NOW)


def test_a_read_needs_no_content_type() -> None:
    xapi.verify(request(b"", method="GET", content_type=""), SECRET, NOW)


def test_an_oversized_body_is_too_large() -> None:
    with pytest.raises(TooLarge):
        xapi.verify(request(b" " * (xapi.BODY_MAX_BYTES + 1)), SECRET, NOW)


@given(
    st.dictionaries(st.sampled_from(["authorization", "content-type", "x-experience-api-version"]), st.text()),
    st.binary(max_size=20),
)
def test_whatever_a_stranger_sends_only_a_typed_refusal_comes_back(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(NoticeRefused):
        xapi.verify(Request("POST", "", headers, body), SECRET, NOW)


# -- Which statements are valid ------------------------------------------------------------------------------------


def at(path: str, value: object) -> dict[str, Any]:
    """The example statement with one value replaced, or left out if the value is `...`."""
    body = copy.deepcopy(statement())
    *parents, last = path.split("/")
    part: Any = body
    for name in parents:
        part = part.setdefault(name, {})
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return body


AGENT = {"mbox": "mailto:ada@example.com"}
ACCOUNT = {"account": {"homePage": "https://lms.example.com", "name": "ada.l"}}
REF = {"objectType": "StatementRef", "id": OTHER_ID}
SUB = {"objectType": "SubStatement", "actor": AGENT, "verb": {"id": "http://e.example/v"}, "object": {"id": "urn:a"}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", STATEMENT_ID.upper()),
        ("actor", ACCOUNT),
        ("actor", {"objectType": "Agent", "openid": "https://ada.example.com/"}),
        ("actor", {"mbox_sha1sum": "a" * 40}),
        ("actor", {"objectType": "Group", "member": [AGENT, ACCOUNT]}),
        ("actor", {"objectType": "Group", "mbox": "mailto:team@example.com"}),
        ("verb", {"id": "http://e.example/v", "display": {"zh-Hant-TW": "x", "x-own": "y", "i-klingon": "z"}}),
        ("object", {"id": "urn:uuid:1"}),
        ("object", {"objectType": "Agent"} | AGENT),
        ("object", REF),
        ("object", SUB),
        ("object/definition/interactionType", "choice"),
        ("object/definition/extensions", {"http://e.example/x": None}),
        ("result", {"score": {"min": 0, "raw": 5, "max": 10, "scaled": 1}, "response": "", "completion": False}),
        ("result/duration", "P3Y1M29DT4H35M59.14S"),
        ("result/duration", "P4W"),
        ("context/registration", OTHER_ID),
        ("context/instructor", {"objectType": "Group", "member": [AGENT]}),
        ("context/contextActivities", {"grouping": [{"id": "urn:a"}], "category": [], "other": {"id": "urn:b"}}),
        ("context/contextAgents", [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["urn:r"]}]),
        (
            "context/contextGroups",
            [{"objectType": "contextGroup", "group": {"objectType": "Group", "member": [AGENT]}}],
        ),
        ("context/language", "en-GB"),
        ("context/platform", "desk"),
        ("context/statement", REF),
        ("timestamp", "2026-03-01T12:00:00.123456789Z"),
        ("timestamp", "2026-03-01T12:00:00"),
        ("stored", "2026-03-01T12:00:00Z"),
        ("authority", {"objectType": "Group", "member": [AGENT, ACCOUNT]}),
        ("version", "1.0.0"),
        ("version", "2.0.0"),
        (
            "attachments",
            [{"usageType": "urn:c", "display": {"en": "c"}, "contentType": "a/b", "length": 1, "sha2": "f"}],
        ),
    ],
)
def test_a_valid_statement_is_taken(path: str, value: object) -> None:
    assert len(read(at(path, value))) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", "7"),
        ("id", "8f87ccdebb564c2eab8344982ef22df0"),
        ("id", None),
        ("actor", ...),
        ("actor", "ada"),
        ("actor", {}),
        ("actor", AGENT | ACCOUNT),
        ("actor", {"mbox": "ada@example.com"}),
        ("actor", {"mbox_sha1sum": "xyz"}),
        ("actor", {"openid": "ada"}),
        ("actor", {"account": {"name": "ada"}}),
        ("actor", {"account": {"homePage": "https://lms.example.com", "name": "a\x1fb"}}),
        ("actor", {"account": {"homePage": "https://lms.example.com", "name": "a" * 321}}),
        ("actor", {"objectType": "agent"} | AGENT),
        ("actor", {"objectType": {}} | AGENT),
        ("actor", {"objectType": "Group"}),
        ("actor", {"objectType": "Group", "member": []}),
        ("actor", {"objectType": "Group", "member": [{"objectType": "Group", "member": [AGENT]}]}),
        ("actor", AGENT | {"nick": "a"}),
        ("verb", ...),
        ("verb/id", "completed"),
        ("verb/id", ...),
        ("verb/display", {"english please": "completed"}),
        ("verb/display", {"en": 1}),
        ("object", ...),
        ("object", {"objectType": "Course", "id": "urn:a"}),
        ("object/id", "/courses/7"),
        ("object", {"objectType": "StatementRef"}),
        ("object", SUB | {"id": OTHER_ID}),
        ("object", SUB | {"object": SUB}),
        ("object/definition/choices", [{"id": "a"}]),
        ("object/definition/interactionType", "essay"),
        ("result/success", "true"),
        ("result/completion", 1),
        ("result/score", {"scaled": 1.01}),
        ("result/score", {"scaled": "0.5"}),
        ("result/score", {"raw": 11, "max": 10}),
        ("result/score", {"min": 10, "max": 10}),
        ("result/duration", "4 hours"),
        ("result/duration", "P"),
        ("result/duration", "PT"),
        ("result/duration", "P4W1D"),
        ("result/extensions", {"colour": 1}),
        ("context/registration", "7"),
        ("context/contextActivities", {"cousin": {"id": "urn:a"}}),
        ("context/contextAgents", [{"objectType": "Agent", "agent": AGENT}]),
        ("context/language", "english please"),
        ("context/team", AGENT),
        ("context", None),
        ("timestamp", "yesterday"),
        ("timestamp", 1772443800),
        ("timestamp", "2026-13-01T12:00:00Z"),
        ("timestamp", "2026-03-01T12:00:00-00:00"),
        ("timestamp", "2026-03-01"),
        ("timestamp", "0001-01-01T00:00:00+23:59"),
        ("authority", {"objectType": "Group", "member": [AGENT]}),
        ("version", "0.95"),
        ("version", "1.1.0"),
        ("attachments", [{}]),
        ("colour", "red"),
        ("Actor", AGENT),
        ("verb/id", xapi.VOIDED),
    ],
)
def test_an_invalid_statement_is_refused(path: str, value: object) -> None:
    with pytest.raises(MalformedNotice):
        read(at(path, value))


@pytest.mark.parametrize("name", ["platform", "revision"])
def test_platform_and_revision_belong_to_activities_only(name: str) -> None:
    with pytest.raises(MalformedNotice):
        read(at(f"context/{name}", "x") | {"object": REF})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"7",
        b'"x"',
        b"[7]",
        b'{"id": "\xff"}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"actor": "\\ud800"}',
    ],
)
def test_a_body_that_is_no_statement_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedNotice):
        read(body)


@pytest.mark.parametrize("value", ["nul \0", [[["\0"]]], {"\0": 1}])
def test_text_that_no_database_can_keep_is_refused_even_in_extensions(value: object) -> None:
    with pytest.raises(MalformedNotice, match="NUL"):
        read(at("result/extensions", {"urn:x": value}))


def test_extensions_may_nest_but_not_without_end() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]

    with pytest.raises(MalformedNotice, match="nested"):
        read(at("result/extensions", {"urn:x": deep}))


def test_an_array_of_statements_keeps_its_order() -> None:
    sent = read([statement(id=OTHER_ID), statement(id=STATEMENT_ID.upper()), at("id", ...)])

    assert [one.id for one in sent] == [OTHER_ID, STATEMENT_ID, NEW_ID]


def test_one_id_twice_in_a_request_is_refused() -> None:
    with pytest.raises(MalformedNotice):
        read([statement(), statement(id=STATEMENT_ID.upper())])


def test_more_statements_than_the_limit_are_too_large() -> None:
    with pytest.raises(TooLarge):
        read([statement()] * (xapi.STATEMENTS_MAX + 1))


def test_a_put_statement_has_the_id_asked_for() -> None:
    (with_id,) = read(statement(), STATEMENT_ID.upper())
    (without_id,) = read(at("id", ...), STATEMENT_ID)

    assert (with_id.id, without_id.id) == (STATEMENT_ID, STATEMENT_ID)


@pytest.mark.parametrize(
    ("body", "asked"), [(statement(), OTHER_ID), ([statement()], STATEMENT_ID), (at("id", ...), "7")]
)
def test_a_put_of_another_id_or_of_an_array_is_refused(body: object, asked: str) -> None:
    with pytest.raises(MalformedNotice):
        read(body, asked)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PATHS = ["id", "actor", "actor/objectType", "actor/account", "verb", "verb/id", "verb/display", "object"]
PATHS += ["object/objectType", "object/definition", "result", "result/score", "result/duration", "result/extensions"]
PATHS += ["context", "context/contextActivities", "context/team", "context/statement", "timestamp", "authority"]


@given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_is_taken_or_refused(path: str, value: object) -> None:
    with suppress(MalformedNotice):
        (sent,) = xapi.statements(request(orjson_or_text(at(path, value))), lambda: NEW_ID)
        xapi.is_same(sent.body, sent.body)
        translate("lms", sent, NOW)


def orjson_or_text(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        return repr(body).encode(errors="replace")


# -- Which statements are the same ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", OTHER_ID),
        ("stored", "2026-03-05T12:00:00Z"),
        ("authority", AGENT),
        ("version", "1.0.0"),
        ("timestamp", "2026-03-01T12:00:00.000Z"),
        ("timestamp", ...),
        ("verb/display", {"de": "abgeschlossen"}),
        ("object/definition", ...),
        ("actor/mbox", "mailto:Ada@EXAMPLE.com"),
        ("result/duration", "PT4H35M59.149S"),
        ("context/contextActivities", {"parent": [{"id": "https://lms.example.com/paths/1"}]}),
    ],
)
def test_a_difference_that_a_record_store_may_make_is_none(path: str, value: object) -> None:
    assert xapi.is_same(statement(), at(path, value))
    assert xapi.is_same(at(path, value), statement())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("actor/mbox", "mailto:ada@example.com"),
        ("actor/name", "Ada L."),
        ("verb/id", xapi.PASSED),
        ("object/id", "https://lms.example.com/courses/8"),
        ("result", ...),
        ("result/score", {"scaled": 0.856}),
        ("result/success", False),
        ("result/duration", "PT16559.14S"),
        ("result/extensions", {"urn:x": 1}),
        ("context/registration", OTHER_ID),
        ("timestamp", "2026-03-01T12:00:00.001Z"),
    ],
)
def test_any_other_difference_makes_another_statement(path: str, value: object) -> None:
    assert not xapi.is_same(statement(), at(path, value))
    assert not xapi.is_same(at(path, value), statement())


def test_the_members_of_a_group_have_no_order() -> None:
    one = statement(actor={"objectType": "Group", "member": [AGENT, ACCOUNT]})
    other = statement(actor={"objectType": "Group", "member": [ACCOUNT, AGENT]})

    assert xapi.is_same(one, other)


def test_numbers_are_compared_by_value() -> None:
    assert xapi.is_same(at("result/score", {"raw": 1, "max": 10.0}), at("result/score", {"raw": 1.0, "max": 10}))


def test_a_statement_given_back_and_sent_again_is_the_same() -> None:
    for sent in (statement(), at("timestamp", ...), at("id", ...)):
        stored = xapi.as_stored(sent, STATEMENT_ID, NOW, AGENT)

        assert xapi.is_same(sent, stored)
        assert len(read(stored)) == 1


def test_what_a_record_store_assigns_is_given_back() -> None:
    stored = xapi.as_stored(at("timestamp", ...), STATEMENT_ID, NOW, AGENT)

    assert stored["stored"] == stored["timestamp"] == "2026-03-02T09:30:00.000Z"
    assert (stored["version"], stored["authority"]) == ("1.0.0", AGENT)
    assert stored["context"]["contextActivities"]["parent"] == [{"id": "https://lms.example.com/paths/1"}]


def test_context_activities_are_given_back_as_lists_in_a_sub_statement_too() -> None:
    inner = SUB | {"context": {"contextActivities": {"other": {"id": "urn:b"}}}}

    stored = xapi.as_stored(statement(object=inner), STATEMENT_ID, NOW, AGENT)

    assert stored["object"]["context"]["contextActivities"] == {"other": [{"id": "urn:b"}]}


# -- Which statements are facts ------------------------------------------------------------------------------------


def test_a_completed_course_is_a_fact_of_its_actor() -> None:
    event = fact()

    assert event == Event(
        source="lms",
        external_id=STATEMENT_ID,
        type="course.completed",
        member=Identity("email", "ada@example.com"),
        occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        data={
            "activity_id": "https://lms.example.com/courses/7",
            "activity_name": "Security",
            "activity_type": "http://adlnet.gov/expapi/activities/course",
            "score_percent": 86,
            "success": True,
        },
        alternatives=(Identity("mbox_sha1sum", xapi.mbox_sha1sum("ada@example.com")),),
    )


def test_a_passed_course_is_another_fact() -> None:
    event = fact(verb={"id": xapi.PASSED})

    assert event is not None
    assert event.type == "course.passed"


@pytest.mark.parametrize(
    ("scaled", "percent"), [(0, 0), (1, 100), (-1, -100), (0.855, 86), (0.005, 1), (0.333, 33), (1.0, 100)]
)
def test_a_score_is_a_whole_percentage(scaled: float, percent: int) -> None:
    event = fact(result={"score": {"scaled": scaled}})

    assert event is not None
    assert event.data["score_percent"] == percent


def test_what_is_not_known_is_left_out() -> None:
    event = fact(object={"id": "urn:a"}, result={"score": {"raw": 5}})

    assert event is not None
    assert event.data == {"activity_id": "urn:a"}


def test_a_statement_without_a_timestamp_happened_when_it_was_received() -> None:
    (sent,) = read(at("timestamp", ...))

    event = translate("lms", sent, NOW + timedelta(seconds=1))

    assert event is not None
    assert event.occurred_at == NOW + timedelta(seconds=1)


def test_voiding_takes_a_statement_back() -> None:
    voiding = {"id": OTHER_ID.upper(), "verb": {"id": xapi.VOIDED}}

    event = fact(**voiding, object={"objectType": "StatementRef", "id": STATEMENT_ID.upper()})

    assert event is not None
    assert (event.external_id, event.retracts, dict(event.data)) == (OTHER_ID, STATEMENT_ID, {})


@pytest.mark.parametrize(
    "more",
    [
        {"verb": {"id": "http://adlnet.gov/expapi/verbs/launched"}},
        {"verb": {"id": "http://adlnet.gov/expapi/verbs/failed"}},
        {"object": REF},
        {"object": {"objectType": "Agent"} | AGENT},
        {"object": SUB},
        {"actor": {"objectType": "Group", "member": [AGENT]}},
    ],
)
def test_any_other_statement_is_no_fact(more: dict[str, Any]) -> None:
    assert fact(**more) is None


@pytest.mark.parametrize(
    ("actor", "names"),
    [
        ({"mbox_sha1sum": "ABCDEF0123" * 4}, [("mbox_sha1sum", "abcdef0123" * 4)]),
        (ACCOUNT, [("https://lms.example.com", "ada.l"), ("lms", "ada.l")]),
        ({"openid": "https://ada.example.com/"}, [("openid", "https://ada.example.com/")]),
    ],
)
def test_an_actor_is_known_by_its_identifier(actor: dict[str, Any], names: list[tuple[str, str]]) -> None:
    event = fact(actor=actor)

    assert event is not None
    assert [event.member, *event.alternatives] == [Identity(*name) for name in names]


def test_the_hash_of_an_address_is_that_of_its_mailto_iri() -> None:
    expected = hashlib.sha1(b"mailto:ada@example.com", usedforsecurity=False).hexdigest()

    assert xapi.mbox_sha1sum("Ada@example.com") == expected
