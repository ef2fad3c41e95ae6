"""Part of step 7: says which shards are not yet durable."""

from __future__ import annotations

from cloud.ingest.services import IngestServices
from sonorelay.ingest.v1.ingest_service_pb2 import FindMissingRequest, FindMissingResponse


async def find_missing(services: IngestServices, request: FindMissingRequest) -> FindMissingResponse:
    """The store's own answer, whatever was acknowledged before. Refuses UPLOAD_UNKNOWN. Changes nothing."""
    upload = await services.uploads.get(request.session_id)
    if not upload.committed:
        await upload.look(services.store_of(upload.tenant_id))
    return FindMissingResponse(missing=upload.missing(), committed=upload.committed)
