"""Tables of the series: uploads, their files, the series that came of them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cloud.db.base import ROW_ID, metadata
from cloud.db.tenant_tables import of_tenant
from cloud.db.times import UtcTime

series_upload: Final = Table(
    "series_upload",
    metadata,
    Column("upload_id", String(36), primary_key=True),
    Column("source", String(16), nullable=False, comment="cloud.series.stored.Source"),
    Column("actor", String(80), nullable=False, comment="who began it"),
    Column("begun_time", UtcTime, nullable=False),
    Column("finished_time", UtcTime, nullable=True),
    Column("ledger_index", BigInteger, nullable=True, comment="set where it finished and kept a file"),
    of_tenant(),
)

series: Final = Table(
    "series",
    metadata,
    Column("series_id", String(36), primary_key=True),
    Column("source", String(16), nullable=False, comment="cloud.series.stored.Source"),
    Column("group_sha256", LargeBinary(32), nullable=False, comment="keyed, over name, study and series"),
    Column("series_uid", String(64), nullable=False, index=True, comment="as it stands in the stored files"),
    Column("study_id", String(36), nullable=False, index=True),
    Column("patient", String(16), nullable=False, comment="pseudonym"),
    Column("modality", String(16), nullable=False, comment="empty: not said"),
    Column("body_part", String(16), nullable=False, comment="empty: not said"),
    Column("number", BigInteger, nullable=True, comment="SeriesNumber"),
    Column("version", Integer, nullable=False, comment="grows with each upload that adds images"),
    Column("received_time", UtcTime, nullable=False, comment="of the newest upload"),
    Column("kind", String(16), nullable=False, comment="cloud.series.stored.Kind"),
    Column("image_count", Integer, nullable=False),
    Column("frame_count", Integer, nullable=False, comment="of the image that has most"),
    Column("refusal", JSON, nullable=True, comment="code and values of why there is no volume"),
    of_tenant(),
    Index("ix_series_received_time_series_id", "received_time", "series_id"),
    Index("ix_series_group_sha256", "group_sha256"),
    Index("ix_series_tenant_id_received_time_series_id", "tenant_id", "received_time", "series_id"),
)

series_file: Final = Table(
    "series_file",
    metadata,
    Column("file_id", ROW_ID, primary_key=True, autoincrement=True),
    Column("upload_id", String(36), ForeignKey("series_upload.upload_id"), nullable=False),
    Column("path_sha256", LargeBinary(32), nullable=False, comment="keyed, over the path in the upload"),
    Column("folder", Text, nullable=False, comment="keyed hashes of the folders above, outermost first"),
    Column("source_sha256", LargeBinary(32), nullable=False, comment="keyed, over the digest as it came"),
    Column("reason", String(32), nullable=True, comment="why it is not used; its bytes are in quarantine"),
    Column("series_id", String(36), nullable=True, comment="set once the upload finished"),
    Column("sha256", LargeBinary(32), nullable=True, comment="of the stored bytes"),
    Column("size_bytes", BigInteger, nullable=False, comment="of the stored bytes, or as it came"),
    Column("instance_sha256", LargeBinary(32), nullable=True, comment="keyed, over group and instance UID"),
    Column("facts", JSON, nullable=True, comment="what its series is told by"),
    Column("received_time", UtcTime, nullable=False),
    Column(
        "image_id", String(36), nullable=True, comment="where an agent sent it: lies in that image's part"
    ),
    UniqueConstraint("upload_id", "path_sha256"),
    Index("ix_series_file_series_id", "series_id"),
    Index("ix_series_file_source_sha256", "source_sha256"),
    Index("ix_series_file_instance_sha256", "instance_sha256"),
    Index("ix_series_file_image_id", "image_id"),
)
