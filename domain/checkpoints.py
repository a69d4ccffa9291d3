"""Checkpoints: what a program's chain was at one length, signed. A copy kept elsewhere betrays a chain rewritten since.

The text is a signed note of C2SP (c2sp.org/tlog-checkpoint and c2sp.org/signed-note): origin, size, root of the tree,
then two lines of our own: the chain's last link, and when. The signature is Ed25519.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_NOTE_CHARACTERS = 10_000
_ED25519 = b"\x01"
_KEY_HASH_BYTES = 4


class NotAuthentic(Exception):
    """The note is not a checkpoint, or not signed by a key that is known; says which."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A program's chain when it had `size` records: the root of its tree and its last link."""

    program_id: str
    size: int
    root: bytes
    head: bytes
    at: datetime

    def text(self) -> str:
        """What is signed."""
        lines = (
            origin(self.program_id),
            str(self.size),
            b64encode(self.root).decode(),
            f"head {b64encode(self.head).decode()}",
            f"at {self.at.isoformat()}",
        )
        return "".join(f"{line}\n" for line in lines)


def origin(program_id: str) -> str:
    """The name of a program's chain, and of the key that signs for it."""
    return f"laurel/{program_id}"


def verifier_key(program_id: str, public_key: bytes) -> str:
    """What a stranger needs to check a program's checkpoints, as C2SP writes it: name+hash+key."""
    name = origin(program_id)
    return f"{name}+{_key_hash(name, public_key).hex()}+{b64encode(_ED25519 + public_key).decode()}"


def _key_hash(name: str, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_HASH_BYTES]


class SigningKeys:
    """The deployment's Ed25519 keys by id: the first one signs, all of them verify. Never shown by repr."""

    def __init__(self, seeds: Mapping[str, bytes]) -> None:
        self.current = next(iter(seeds))
        self._private = Ed25519PrivateKey.from_private_bytes(seeds[self.current])
        keys = {key_id: Ed25519PrivateKey.from_private_bytes(seed).public_key() for key_id, seed in seeds.items()}
        self.public = {key_id: key.public_bytes_raw() for key_id, key in keys.items()}

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a signed note."""
        text, name = checkpoint.text(), origin(checkpoint.program_id)
        signature = _key_hash(name, self.public[self.current]) + self._private.sign(text.encode())
        return f"{text}\n\u2014 {name} {b64encode(signature).decode()}\n"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note that one of these keys has signed; raises NotAuthentic."""
        text, _, signatures = note.partition("\n\n")
        checkpoint = _read(f"{text}\n")
        name = origin(checkpoint.program_id)
        known = {_key_hash(name, key): key for key in self.public.values()}
        for line in signatures.splitlines():
            signature = _signature(line, name)
            if key := known.get(signature[:_KEY_HASH_BYTES]):
                _check(key, signature[_KEY_HASH_BYTES:], f"{text}\n")
                return checkpoint
        raise NotAuthentic("signed by no key that is known here")

    def __repr__(self) -> str:
        return f"SigningKeys({', '.join(self.public)}; current {self.current})"


def _signature(line: str, name: str) -> bytes:
    mark, _, rest = line.partition(" ")
    signer, _, encoded = rest.partition(" ")
    if mark != "\u2014" or signer != name:
        return b""
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise NotAuthentic("a signature that is not base64") from None


def _check(key: bytes, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text.encode())
    except InvalidSignature:
        raise NotAuthentic("the signature is not of this text") from None


def _read(text: str) -> Checkpoint:
    if len(text) > MAX_NOTE_CHARACTERS:
        raise NotAuthentic(f"a note beyond {MAX_NOTE_CHARACTERS} characters")
    try:
        name, size, root, head, at = text.splitlines()
        checkpoint = Checkpoint(
            name.removeprefix("laurel/"),
            int(size),
            b64decode(root, validate=True),
            b64decode(head.removeprefix("head "), validate=True),
            datetime.fromisoformat(at.removeprefix("at ")),
        )
    except ValueError:
        raise NotAuthentic("not a checkpoint") from None
    if checkpoint.text() != text:  # one text for one checkpoint
        raise NotAuthentic("not a checkpoint in its own form")
    return checkpoint


def split(notes: str) -> list[str]:
    """The signed notes of an exported file, which holds one after the other."""
    found: list[list[str]] = []
    for line in notes.splitlines():
        if line.startswith("laurel/"):
            found.append([])
        if found:
            found[-1].append(line)
    return ["\n".join(lines).rstrip("\n") + "\n" for lines in found]
