import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PreNotifyRequest(_message.Message):
    __slots__ = ("request_id", "device_id", "capture_id", "received_time", "monotonic_ns", "boot_id", "expected_image_count", "size_bytes", "sent_time", "device_verifier_key", "series")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    MONOTONIC_NS_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SENT_TIME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_VERIFIER_KEY_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    device_id: str
    capture_id: str
    received_time: _timestamp_pb2.Timestamp
    monotonic_ns: int
    boot_id: str
    expected_image_count: int
    size_bytes: int
    sent_time: _timestamp_pb2.Timestamp
    device_verifier_key: str
    series: SeriesOrder
    def __init__(self, request_id: _Optional[str] = ..., device_id: _Optional[str] = ..., capture_id: _Optional[str] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., monotonic_ns: _Optional[int] = ..., boot_id: _Optional[str] = ..., expected_image_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., sent_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., device_verifier_key: _Optional[str] = ..., series: _Optional[_Union[SeriesOrder, _Mapping]] = ...) -> None: ...

class SeriesOrder(_message.Message):
    __slots__ = ("label",)
    LABEL_FIELD_NUMBER: _ClassVar[int]
    label: str
    def __init__(self, label: _Optional[str] = ...) -> None: ...

class PreNotifyResponse(_message.Message):
    __slots__ = ("slot", "server_time")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    slot: int
    server_time: _timestamp_pb2.Timestamp
    def __init__(self, slot: _Optional[int] = ..., server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WithdrawRequest(_message.Message):
    __slots__ = ("device_id", "capture_id", "reason", "held", "series")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    capture_id: str
    reason: str
    held: bool
    series: SeriesOrder
    def __init__(self, device_id: _Optional[str] = ..., capture_id: _Optional[str] = ..., reason: _Optional[str] = ..., held: _Optional[bool] = ..., series: _Optional[_Union[SeriesOrder, _Mapping]] = ...) -> None: ...

class WithdrawResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenUploadRequest(_message.Message):
    __slots__ = ("device_id", "capture_id", "parts", "device_verifier_key", "edge_timings", "examination_key", "patient_key", "gestational_age_days", "series")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_ID_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_VERIFIER_KEY_FIELD_NUMBER: _ClassVar[int]
    EDGE_TIMINGS_FIELD_NUMBER: _ClassVar[int]
    EXAMINATION_KEY_FIELD_NUMBER: _ClassVar[int]
    PATIENT_KEY_FIELD_NUMBER: _ClassVar[int]
    GESTATIONAL_AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    capture_id: str
    parts: _containers.RepeatedCompositeFieldContainer[PartManifest]
    device_verifier_key: str
    edge_timings: _containers.RepeatedCompositeFieldContainer[StepTiming]
    examination_key: str
    patient_key: str
    gestational_age_days: float
    series: SeriesOrder
    def __init__(self, device_id: _Optional[str] = ..., capture_id: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[PartManifest, _Mapping]]] = ..., device_verifier_key: _Optional[str] = ..., edge_timings: _Optional[_Iterable[_Union[StepTiming, _Mapping]]] = ..., examination_key: _Optional[str] = ..., patient_key: _Optional[str] = ..., gestational_age_days: _Optional[float] = ..., series: _Optional[_Union[SeriesOrder, _Mapping]] = ...) -> None: ...

class StepTiming(_message.Message):
    __slots__ = ("step", "duration_ms")
    STEP_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    step: str
    duration_ms: float
    def __init__(self, step: _Optional[str] = ..., duration_ms: _Optional[float] = ...) -> None: ...

class PartManifest(_message.Message):
    __slots__ = ("part_index", "image_type", "image_count", "size_bytes", "shard_size_bytes", "shard_sha256", "root", "block", "priority")
    PART_INDEX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHARD_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHARD_SHA256_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    part_index: int
    image_type: str
    image_count: int
    size_bytes: int
    shard_size_bytes: int
    shard_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    root: bytes
    block: bytes
    priority: int
    def __init__(self, part_index: _Optional[int] = ..., image_type: _Optional[str] = ..., image_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., shard_size_bytes: _Optional[int] = ..., shard_sha256: _Optional[_Iterable[bytes]] = ..., root: _Optional[bytes] = ..., block: _Optional[bytes] = ..., priority: _Optional[int] = ...) -> None: ...

class OpenUploadResponse(_message.Message):
    __slots__ = ("session_id", "fencing_token", "missing", "window_bytes", "committed", "expire_time")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    fencing_token: int
    missing: _containers.RepeatedCompositeFieldContainer[MissingShards]
    window_bytes: int
    committed: bool
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, session_id: _Optional[str] = ..., fencing_token: _Optional[int] = ..., missing: _Optional[_Iterable[_Union[MissingShards, _Mapping]]] = ..., window_bytes: _Optional[int] = ..., committed: _Optional[bool] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MissingShards(_message.Message):
    __slots__ = ("part_index", "ranges")
    PART_INDEX_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    part_index: int
    ranges: _containers.RepeatedCompositeFieldContainer[ShardRange]
    def __init__(self, part_index: _Optional[int] = ..., ranges: _Optional[_Iterable[_Union[ShardRange, _Mapping]]] = ...) -> None: ...

class ShardRange(_message.Message):
    __slots__ = ("first", "count")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class PutShardsRequest(_message.Message):
    __slots__ = ("fragment", "ping")
    FRAGMENT_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    fragment: Fragment
    ping: Ping
    def __init__(self, fragment: _Optional[_Union[Fragment, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ...) -> None: ...

class Fragment(_message.Message):
    __slots__ = ("session_id", "fencing_token", "part_index", "shard_index", "offset_bytes", "data")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PART_INDEX_FIELD_NUMBER: _ClassVar[int]
    SHARD_INDEX_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    fencing_token: int
    part_index: int
    shard_index: int
    offset_bytes: int
    data: bytes
    def __init__(self, session_id: _Optional[str] = ..., fencing_token: _Optional[int] = ..., part_index: _Optional[int] = ..., shard_index: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class PutShardsResponse(_message.Message):
    __slots__ = ("received_bytes", "durable", "nacks", "window_bytes", "drain", "pong_nonce")
    RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    NACKS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    PONG_NONCE_FIELD_NUMBER: _ClassVar[int]
    received_bytes: int
    durable: _containers.RepeatedCompositeFieldContainer[DurableShards]
    nacks: _containers.RepeatedCompositeFieldContainer[Nack]
    window_bytes: int
    drain: bool
    pong_nonce: int
    def __init__(self, received_bytes: _Optional[int] = ..., durable: _Optional[_Iterable[_Union[DurableShards, _Mapping]]] = ..., nacks: _Optional[_Iterable[_Union[Nack, _Mapping]]] = ..., window_bytes: _Optional[int] = ..., drain: _Optional[bool] = ..., pong_nonce: _Optional[int] = ...) -> None: ...

class DurableShards(_message.Message):
    __slots__ = ("session_id", "part_index", "shard_indices")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PART_INDEX_FIELD_NUMBER: _ClassVar[int]
    SHARD_INDICES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    part_index: int
    shard_indices: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, session_id: _Optional[str] = ..., part_index: _Optional[int] = ..., shard_indices: _Optional[_Iterable[int]] = ...) -> None: ...

class Nack(_message.Message):
    __slots__ = ("session_id", "part_index", "shard_index", "reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PART_INDEX_FIELD_NUMBER: _ClassVar[int]
    SHARD_INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    part_index: int
    shard_index: int
    reason: str
    def __init__(self, session_id: _Optional[str] = ..., part_index: _Optional[int] = ..., shard_index: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class FindMissingRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class FindMissingResponse(_message.Message):
    __slots__ = ("missing", "committed")
    MISSING_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    missing: _containers.RepeatedCompositeFieldContainer[MissingShards]
    committed: bool
    def __init__(self, missing: _Optional[_Iterable[_Union[MissingShards, _Mapping]]] = ..., committed: _Optional[bool] = ...) -> None: ...

class CommitRequest(_message.Message):
    __slots__ = ("session_id", "fencing_token")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    fencing_token: int
    def __init__(self, session_id: _Optional[str] = ..., fencing_token: _Optional[int] = ...) -> None: ...

class CommitResponse(_message.Message):
    __slots__ = ("receipts",)
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[PartReceipt]
    def __init__(self, receipts: _Optional[_Iterable[_Union[PartReceipt, _Mapping]]] = ...) -> None: ...

class PartReceipt(_message.Message):
    __slots__ = ("part_index", "ledger_index", "tlog_proof", "block", "final")
    PART_INDEX_FIELD_NUMBER: _ClassVar[int]
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    TLOG_PROOF_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    part_index: int
    ledger_index: int
    tlog_proof: bytes
    block: bytes
    final: bool
    def __init__(self, part_index: _Optional[int] = ..., ledger_index: _Optional[int] = ..., tlog_proof: _Optional[bytes] = ..., block: _Optional[bytes] = ..., final: _Optional[bool] = ...) -> None: ...
