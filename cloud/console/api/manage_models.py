"""Step 13 of 13: console. The API's values of versions of models and of devices, as administrators see them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from cloud.console.api.account_models import Asked
from cloud.console.api.reading_models import Shown

_VERSION = "Number of a version: its folder's name."


class ModelAct(StrEnum):
    """What can be done with a model: the words of `cloud.models.rules.Action`, under a name of their own here."""

    SHIPPED = "shipped"
    PUSHED = "pushed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    SHADOWED = "shadowed"


class CardFigure(Shown):
    """A figure of a card."""

    name: str = Field(description="What was measured.")
    value: float | None = Field(description="The figure.")
    low_95: float | None = Field(description="Lower end of its 95 % interval.")
    high_95: float | None = Field(description="Upper end of its 95 % interval.")
    unit: str = Field(description="Its unit, where the card has one.")
    note: str = Field(description="On which data, where the card says so.")


class CardShown(Shown):
    """A version's card in short."""

    task: str = Field(description="What the model does.")
    notice: str = Field(description="What it is not for.")
    labels: list[str] = Field(description="What it tells apart.")
    data: list[str] = Field(description="On which data it was trained or measured.")
    split: str = Field(description="How training data and figures were kept apart.")
    baseline: list[CardFigure] = Field(description="What a simple way reaches on the same data.")
    metrics: list[CardFigure] = Field(description="What the version reaches.")
    known_failures: list[str] = Field(description="Where it fails.")


class ModelShown(Shown):
    """A model and its versions in use."""

    model: str = Field(description="Its name.")
    live: str = Field(description="The version that answers.")
    previous: str | None = Field(description="The version that a rollback brings back.")
    shadow: str | None = Field(description="The version that reads along.")
    live_sha256: str = Field(description="SHA-256 of the live weights, hexadecimal.")
    updated_time: datetime = Field(description="When this last changed.")
    version_count: int = Field(description="Versions that the site has.")


class ModelList(Shown):
    """All models of the site."""

    models: list[ModelShown] = Field(description="By name; none where this server keeps no models.")


class VersionShown(Shown):
    """A version of a model."""

    version: str = Field(description=_VERSION)
    sha256: str = Field(description="SHA-256 of its weights, hexadecimal.")
    size_bytes: int = Field(description="Length of its weights.")
    accepted_time: datetime = Field(description="When the site took it.")
    actor: str = Field(description="Who handed it in; program: it came with the program.")
    card: CardShown | None = Field(description="Its card; null where it has none.")


class ModelEventShown(Shown):
    """Something that was done with a model."""

    action: ModelAct = Field(description="What.")
    version: str | None = Field(description="With which version; null for the end of a shadow.")
    before: str | None = Field(description="The version that had that place before.")
    actor: str = Field(description="Who.")
    time: datetime = Field(description="When.")
    ledger_index: int | None = Field(description="Its entry in the ledger; null for what a start did itself.")


class ShadowFigures(Shown):
    """How a shadow compared with a live version."""

    live_version: str = Field(description="The live version.")
    shadow_version: str = Field(description="The shadow.")
    image_count: int = Field(description="Images that both read.")
    failure_count: int = Field(description="Images that the shadow failed to read.")
    label_count: int = Field(description="Images with a label of both.")
    same_label_count: int = Field(description="Those with the same label.")
    mean_probability_difference: float | None = Field(description="Mean of the largest difference, 0..1.")
    mean_dice: float | None = Field(description="Mean overlap of both masks, 0..1.")
    hc_count: int = Field(description="Images with a head circumference of both.")
    mean_hc_difference_mm: float | None = Field(description="Mean absolute difference, millimetres.")


class ModelDetail(Shown):
    """All about one model."""

    model: ModelShown = Field(description="The model.")
    versions: list[VersionShown] = Field(description="The highest first.")
    events: list[ModelEventShown] = Field(description="The newest first, 50 at most.")
    comparisons: list[ShadowFigures] = Field(description="The newest pair first.")


class PromotionAsked(Asked):
    """Which version is to answer."""

    version: str = Field(min_length=1, max_length=9, description=_VERSION)


class RollbackAsked(Asked):
    """From which version to go back: another one may have become live meanwhile."""

    from_version: str = Field(min_length=1, max_length=9, description="The version that is live.")


class ShadowAsked(Asked):
    """Which version is to read along."""

    version: str | None = Field(min_length=1, max_length=9, description=f"{_VERSION} Null: none.")


class DeviceShown(Shown):
    """A device at the edge."""

    device_id: str = Field(description="Device number.")
    verifier_key: str = Field(description="The key of its first word: the only one it may use.")
    first_seen_time: datetime = Field(description="When it gave its first word.")
    last_seen_time: datetime = Field(description="When it last announced something.")
    clock_offset_ms: float = Field(description="Its clock minus this server's at that moment.")
    print_count: int = Field(description="Prints that it announced; of those, the ones that you may see.")
    revoked: bool = Field(description="Whether it is refused.")
    tenant_id: str = Field(description="Short name of the tenant that gets what it sends.")


class DeviceList(Shown):
    """All devices."""

    devices: list[DeviceShown] = Field(description="By number.")


class DeviceChangeAsked(Asked):
    """A change of a device."""

    revoked: bool = Field(description="True: it is refused from the next call on.")


class DeviceTenantAsked(Asked):
    """Whose a device is."""

    tenant_id: str = Field(min_length=1, max_length=32, description="Short name of the tenant.")


class TenantShown(Shown):
    """A hospital or department that shares the server."""

    tenant_id: str = Field(description="Short name; it never changes.")
    name: str = Field(description="What people call it.")
    created_time: datetime = Field(description="When it was made.")


class TenantList(Shown):
    """Tenants."""

    tenants: list[TenantShown] = Field(description="In the order in which they were made.")


class TenantAsked(Asked):
    """A new tenant."""

    tenant_id: str = Field(
        min_length=1, max_length=32, description="Short name: lower-case letters, digits, hyphens."
    )
    name: str = Field(min_length=1, max_length=64, description="What people call it.")


class TenantChangeAsked(Asked):
    """Another name for a tenant."""

    name: str = Field(min_length=1, max_length=64, description="What people call it.")
