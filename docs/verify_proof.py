"""Verify that one line of a statement is under a signed checkpoint: python verify_proof.py PROOF.json KEY

KEY is what `laurel ledger keys` prints, and must come from somebody you trust, not with the proof. Needs nothing of
Laurel: only Python and its `cryptography` package. How the hashes are made is told in decisions/0025-seals.md.
"""

import json
import sys
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAMES = ("transaction", "kind", "effective", "recorded", "n", "account", "amount", "balance", "version")


def check(holds, otherwise):
    """Raise what is otherwise."""
    if not holds:
        raise ValueError(otherwise)


def encode(fields):
    """Each field as "length:text,", nothing as "-,"."""
    return b"".join(b"-," if f is None else b"%d:%b," % (len(str(f).encode()), str(f).encode()) for f in fields)


def part_hash(part):
    """A part that is shown is hashed with its salt; of the others there is the hash."""
    shown = "fields" in part
    return (
        sha256(b"\x10" + b64decode(part["salt"]) + encode(part["fields"])).digest()
        if shown
        else b64decode(part["hash"])
    )


def root(leaf, index, size, path):
    """The root that follows from a leaf and its path, RFC 9162 section 2.1.3.2."""
    node, last = sha256(b"\x00" + leaf).digest(), size - 1
    for sibling in path:
        check(last, "the path is too long")
        if index % 2 or index == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        index, last = index // 2, last // 2
    check(not last, "the path is too short")
    return node


def signed(note, key):
    """Origin, size and root of a checkpoint that the key has signed, as C2SP's signed-note says."""
    text, _, signatures = note.partition("\n\n")
    name, key_hash, public = key.split("+", 2)
    for line in signatures.splitlines():
        _, signer, encoded = line.split(" ")
        signature = b64decode(encoded)
        if signer == name and signature[:4].hex() == key_hash:
            Ed25519PublicKey.from_public_bytes(b64decode(public)[1:]).verify(signature[4:], f"{text}\n".encode())
            origin, size, root_hash = text.split("\n")[:3]
            return origin, int(size), b64decode(root_hash)
    raise ValueError("not signed by this key")


def verify(proof, key):
    """What the statement line says; raises if anything does not follow."""
    origin, size, expected = signed(proof["checkpoint"], key)
    record = sha256(b"\x11" + b"".join(map(part_hash, proof["parts"]))).digest()
    path = [b64decode(one) for one in proof["path"]]
    check(root(record, proof["index"], size, path) == expected, "the record is not under this checkpoint")
    transaction, entry = [part["fields"] for part in proof["parts"] if "fields" in part]
    check(transaction[0] == "laurel/transaction/1" and entry[0] == "laurel/entry/1", "not a statement line")
    check(entry[1] == transaction[2], "the entry is of another transaction")
    check(f"laurel/{transaction[1]}" == origin, "of another program")
    return dict(zip(NAMES, [*transaction[2:], *entry[2:]], strict=True))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        line = verify(json.load(file), sys.argv[2])
    for when in ("effective", "recorded"):
        line[when] = datetime.fromtimestamp(line[when] / 1_000_000, UTC).isoformat()
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in line.items()) + "The proof holds.\n")
