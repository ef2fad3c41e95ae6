"""Part of steps 10 and 12: which entries of the log belong to a capture or to an image."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import image, part, result, result_earlier
from cloud.tenants.owner import Kind, is_within


def entries_about(tx: Tx, object_id: str, tenant_id: str | None) -> list[int]:
    """Indices of the entries about the capture, or the image, of this UUID, in the log's order; none where it is
    not known, or is not the tenant's (None: the whole site asks).
    """
    kinds = (Kind.CAPTURE, Kind.IMAGE)
    if tenant_id is not None and not any(is_within(tx, kind, object_id, tenant_id) for kind in kinds):
        return []
    of_part = (part.c.capture_id == image.c.capture_id) & (part.c.part_index == image.c.part_index)
    queries = (
        sa.select(part.c.ledger_index).where(part.c.capture_id == object_id),
        sa.select(part.c.ledger_index).join(image, of_part).where(image.c.image_id == object_id),
        *(
            sa.select(each.c.ledger_index)
            .join(image, image.c.image_id == each.c.image_id)
            .where(sa.or_(image.c.capture_id == object_id, image.c.image_id == object_id))
            for each in (result, result_earlier)
        ),
    )
    return sorted({int(row[0]) for query in queries for row in tx.execute(query)})
