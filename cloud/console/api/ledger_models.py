"""Step 13 of 13: console. The API's values of the ledger."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from cloud.console.api.reading_models import Shown


class LedgerFacts(Shown):
    """The log as it is now."""

    origin: str = Field(description="Name of the log.")
    size: int = Field(description="Entries in it.")
    root: str = Field(description="Merkle root over them, hexadecimal.")
    verifier_key: str = Field(
        description="Key that signs its checkpoints. A copy from elsewhere proves more."
    )
    checkpoint: str = Field(description="The newest checkpoint, as signed.")


class LedgerEntry(Shown):
    """An entry in words; whoever needs to rely on it checks its bytes with its receipt."""

    index: int = Field(description="Place in the log, from 0.")
    kind: str = Field(description="block, result, model, audit, ...; unknown where it is of another form.")
    time: datetime | None = Field(description="What it says of when.")
    by: str | None = Field(description="What it says of who.")
    signer: str | None = Field(description="Name of the key in its signature line.")
    signer_key: str | None = Field(
        description="Verifier key of that name that this server knows: the log's, or a device's."
    )
    fields: dict[str, str] = Field(description="Its lines, by their first words.")
    text: str | None = Field(description="All of it; null where it is no text.")
    leaf_hash: str = Field(description="SHA-256 over a zero byte and the entry, hexadecimal.")
    size_bytes: int = Field(description="Its length.")


class LedgerPage(Shown):
    """Some entries, newest first."""

    entries: list[LedgerEntry] = Field(description="Entries.")
    next_before: int | None = Field(description="Ask with this for the next page; null at the end.")


class LedgerPlaces(Shown):
    """Where something stands in the log."""

    indices: list[int] = Field(description="Indices, lowest first; none where nothing is known of it.")


class ConsistencyProof(Shown):
    """Proof that a log only grew (RFC 6962, 2.1.2)."""

    hashes: list[str] = Field(description="Hashes of 32 bytes each, base64.")
