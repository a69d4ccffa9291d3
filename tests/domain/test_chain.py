"""The bytes that are sealed, the tree over them, and that neither ever changes."""

import runpy
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chain import (
    CountedRefusals,
    Entry,
    Grant,
    Move,
    Posting,
    Rate,
    RefusedCommand,
    Transfer,
    Tree,
    commit,
    digest,
    encode,
    first_link,
    link,
    part_hash,
    part_salts,
    record_digest,
    siblings,
)
from tests.docs.pages import ROOT

AT = 1_772_625_600_000_000
SALT = bytes(range(16))
POSTING = Posting(
    personal=("thanks", "Grace"),
    id="txn_1",
    kind="convert",
    effective_at=AT,
    recorded_at=AT,
    business_key="order é",
    event_id=None,
    order_id="ord_1",
    reverses_id=None,
    transfers=[Transfer(1, "points", "acc_a.points", "acc_p.liquidity.points", 70)],
    entries=[Entry(1, "acc_a.points", -70, 30, 2), Entry(1, "acc_p.liquidity.points", 70, None, None)],
    grants=[Grant("lot_1", "acc_a.points", 70, None, AT), Grant("lot_2", "acc_a.points", 5, AT, AT)],
    moves=[Move("lot_0", "convert", 70)],
    rate=Rate("to-coins", "points", "coins", 70, 7, 10, 1),
)
REFUSED = RefusedCommand(("order-9", "{}", "mem_a", "key_1"), "rfs_1", "hold", "insufficient_points", AT)
COUNTED = CountedRefusals(("key_1",), "rfc_1", 17, AT, AT)

fields = st.lists(st.none() | st.integers() | st.text())


@given(fields, fields)
def test_no_two_lists_give_the_same_bytes(one: list[str | int | None], other: list[str | int | None]):
    same = [None if f is None else str(f) for f in one] == [None if f is None else str(f) for f in other]

    assert (encode(*one) == encode(*other)) is same


def test_lengths_are_of_bytes_so_that_any_language_can_read_them():
    assert encode("é", 12, None, "") == "2:é,2:12,-,0:,".encode()


# Whoever changes these has broken every chain that is sealed: a new form is a new version.
@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (POSTING, "7e9ab3132e772569d9b7fa26eacba4f762c336e56bbf362b5d278fa6942610eb"),
        (REFUSED, "66011a3ae0909faade645f4a69702d035dda01e05dfc1afc6fa9412240378da0"),
        (COUNTED, "b5187b982c1f45332b36051eb763665fdadba624196e4764ffa9bc91b5724fcb"),
    ],
)
def test_the_digests_of_version_1_stay_what_they_are(record: Posting | RefusedCommand | CountedRefusals, expected: str):
    assert digest(record.parts("prg_1", commit(SALT, record.personal)), SALT).hex() == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "transfer"},
        {"business_key": "another"},
        {"event_id": "evt_1"},
        {"order_id": None},
        {"reverses_id": "txn_0"},
        {"effective_at": AT + 1},
        {"recorded_at": AT + 1},
        {"transfers": []},
        {"entries": POSTING.entries[:1]},
        {"grants": POSTING.grants[:1]},
        {"moves": []},
        {"rate": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_is_changed_of_a_posting_changes_its_digest(changes: dict[str, object]):
    changed = replace(POSTING, **changes)  # type: ignore[arg-type]

    assert digest(changed.parts("prg_1", None), SALT) != digest(POSTING.parts("prg_1", None), SALT)


def test_a_part_can_be_shown_without_the_salts_of_the_others():
    parts = POSTING.parts("prg_1", None)
    salts = part_salts(SALT, len(parts))
    hidden = [part_hash(salt, part) for salt, part in zip(salts, parts, strict=True)]

    assert record_digest([hidden[0], part_hash(salts[1], parts[1]), *hidden[2:]]) == digest(parts, SALT)
    assert len(set(salts)) == len(parts)


def test_a_link_stands_for_everything_before_it():
    one, other = (link(first_link("prg_1"), 0, bytes([n]) * 32) for n in (1, 2))

    assert link(one, 1, bytes(32)) != link(other, 1, bytes(32))
    assert first_link("prg_1") != first_link("prg_2")


# -- The tree ------------------------------------------------------------------------------------------------------

# The leaves and roots of RFC 6962's reference implementation (certificate-transparency, merkle_tree_test).
LEAVES = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                           "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def tree(leaves: list[bytes]) -> Tree:
    grown = Tree()
    for leaf in leaves:
        grown.add(leaf)
    return grown


@pytest.mark.parametrize("size", range(1, 9))
def test_the_tree_is_that_of_rfc_6962(size: int):
    assert tree(LEAVES[:size]).root().hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert Tree().root() == sha256(b"").digest()


# What whoever holds a proof computes.
root_from = runpy.run_path(str(ROOT / "docs" / "verify_proof.py"))["root"]


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_proven_by_the_roots_of_its_siblings(size: int, data: st.DataObject):
    leaves = [bytes([n]) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = [tree(leaves[start:stop]).root() for start, stop in siblings(index, size)]

    assert root_from(leaves[index], index, size, path) == tree(leaves).root()
    assert root_from(b"another", index, size, path) != tree(leaves).root()


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_tree_goes_on_from_the_roots_that_were_kept(size: int, more: int):
    leaves = [bytes([n]) for n in range(size + more)]
    before = tree(leaves[:size])
    resumed = Tree(before.size, before.roots)
    for leaf in leaves[size:]:
        resumed.add(leaf)

    assert (resumed.size, resumed.root()) == (size + more, tree(leaves).root())
