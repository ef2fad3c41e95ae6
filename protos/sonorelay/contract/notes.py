"""Signed notes (c2sp.org/signed-note), checkpoints (tlog-checkpoint) and proof files (tlog-proof)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sonorelay.contract import merkle

ED25519: Final = 0x01
_DASH: Final = "— "
_PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"


class NoteInvalid(ValueError):
    """A note, checkpoint, key or proof that does not verify; the message says what is wrong."""


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unb64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("not base64") from error
    # One spelling only: spare bits of the last character could be altered unseen otherwise.
    if _b64(raw) != text:
        raise NoteInvalid("not canonical base64")
    return raw


def key_id(name: str, key_type: int, public_key: bytes) -> bytes:
    """First four bytes of SHA-256(name || LF || type || public key)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([key_type]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Checks signatures of one Ed25519 key."""

    name: str
    """Key name; no spaces, no plus sign."""
    public_key: bytes
    """Raw Ed25519 public key, 32 bytes."""

    @classmethod
    def parse(cls, verifier_key: str) -> Verifier:
        """Reads `name+hex(keyid)+base64(type || public key)`; raises NoteInvalid."""
        name, _, rest = verifier_key.partition("+")
        hex_id, _, encoded = rest.partition("+")
        raw = _unb64(encoded)
        if len(raw) != 33 or raw[0] != ED25519:
            raise NoteInvalid("not an Ed25519 verifier key")
        if not name or any(c.isspace() or c == "+" for c in name):
            raise NoteInvalid("bad key name")
        if key_id(name, ED25519, raw[1:]).hex() != hex_id:
            raise NoteInvalid("key id does not fit the key")
        return cls(name=name, public_key=raw[1:])

    @property
    def key_id(self) -> bytes:
        """Four bytes that name the key in signature lines."""
        return key_id(self.name, ED25519, self.public_key)

    def __str__(self) -> str:
        encoded = _b64(bytes([ED25519]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer:
    """Signs notes with one Ed25519 key."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(name=name, public_key=key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The signed note of `text` (which ends in LF): text, blank line, one signature line."""
        if not text.endswith("\n"):
            raise NoteInvalid("a note's text ends in a newline")
        signature = self._key.sign(text.encode())
        line = f"{_DASH}{self.verifier.name} {_b64(self.verifier.key_id + signature)}\n"
        return f"{text}\n{line}".encode()


def open_note(note: bytes, verifiers: Sequence[Verifier]) -> tuple[str, tuple[str, ...]]:
    """Text of a note and the names of the known keys that signed it.

    Unknown keys are ignored; a known key that fails, or no known key at all, raises NoteInvalid.
    """
    try:
        decoded = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteInvalid("not UTF-8") from error
    text, separator, signatures = decoded.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteInvalid("no signature block")
    text += "\n"
    known = {(v.name, v.key_id): v for v in verifiers}
    signed_by: list[str] = []
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not name:
            raise NoteInvalid("malformed signature line")
        raw = _unb64(encoded)
        if len(raw) < 5:
            raise NoteInvalid("signature too short")
        verifier = known.get((name, raw[:4]))
        if verifier is None:
            continue
        if not verifier.verify(text.encode(), raw[4:]):
            raise NoteInvalid(f"signature of {name} does not verify")
        signed_by.append(name)
    if not signed_by:
        raise NoteInvalid("no signature by a known key")
    return text, tuple(signed_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """State of a log: `origin LF size LF base64(root) LF`."""

    origin: str
    """Name of the log."""
    size: int
    """Entries in the log."""
    root: bytes
    """Merkle root over them, 32 bytes."""

    def text(self) -> str:
        """Text to be signed."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Reads a checkpoint's text (extension lines are allowed and ignored); raises NoteInvalid."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0]:
            raise NoteInvalid("a checkpoint has at least three lines")
        size = lines[1]
        if not size.isascii() or not size.isdigit() or (size != "0" and size.startswith("0")):
            raise NoteInvalid("bad checkpoint size")
        root = _unb64(lines[2])
        if len(root) != 32:
            raise NoteInvalid("a root has 32 bytes")
        return cls(origin=lines[0], size=int(size), root=root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An inclusion proof with its checkpoint: the receipt."""

    index: int
    """Index of the entry, from 0."""
    path: tuple[bytes, ...]
    """Inclusion path, lowest first, 32 bytes each."""
    checkpoint: bytes
    """Signed checkpoint."""

    def encode(self) -> bytes:
        """The tlog-proof file."""
        hashes = "".join(f"{_b64(h)}\n" for h in self.path)
        return f"{_PROOF_HEADER}\nindex {self.index}\n{hashes}\n".encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Reads a tlog-proof file; raises NoteInvalid."""
        head, separator, checkpoint = data.partition(b"\n\n")
        if not separator:
            raise NoteInvalid("a proof has a blank line before its checkpoint")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise NoteInvalid("a proof is ASCII") from error
        if lines.pop(0) != _PROOF_HEADER:
            raise NoteInvalid("not a tlog-proof file")
        if lines and lines[0].startswith("extra "):
            lines.pop(0)
        index = lines.pop(0).removeprefix("index ") if lines else ""
        if not index.isdigit():
            raise NoteInvalid("bad index line")
        return cls(index=int(index), path=tuple(_unb64(line) for line in lines), checkpoint=checkpoint)

    def verify(self, entry: bytes, log: Verifier) -> Checkpoint:
        """The checkpoint that `log` signed and that holds `entry` at this index; raises NoteInvalid."""
        text, _ = open_note(self.checkpoint, [log])
        checkpoint = Checkpoint.parse(text)
        try:
            root = merkle.root_from_inclusion(self.index, checkpoint.size, merkle.leaf_hash(entry), self.path)
        except ValueError as error:
            raise NoteInvalid(str(error)) from error
        if root != checkpoint.root:
            raise NoteInvalid("the entry is not in the log of this checkpoint")
        return checkpoint
