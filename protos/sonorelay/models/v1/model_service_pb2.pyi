import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_ACTION_UNSPECIFIED: _ClassVar[ModelAction]
    MODEL_ACTION_SHIPPED: _ClassVar[ModelAction]
    MODEL_ACTION_PUSHED: _ClassVar[ModelAction]
    MODEL_ACTION_PROMOTED: _ClassVar[ModelAction]
    MODEL_ACTION_ROLLED_BACK: _ClassVar[ModelAction]
    MODEL_ACTION_SHADOWED: _ClassVar[ModelAction]
MODEL_ACTION_UNSPECIFIED: ModelAction
MODEL_ACTION_SHIPPED: ModelAction
MODEL_ACTION_PUSHED: ModelAction
MODEL_ACTION_PROMOTED: ModelAction
MODEL_ACTION_ROLLED_BACK: ModelAction
MODEL_ACTION_SHADOWED: ModelAction

class PushModelRequest(_message.Message):
    __slots__ = ("manifest", "data")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    manifest: ModelManifest
    data: bytes
    def __init__(self, manifest: _Optional[_Union[ModelManifest, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ModelManifest(_message.Message):
    __slots__ = ("model", "version", "files")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    files: _containers.RepeatedCompositeFieldContainer[ModelFile]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., files: _Optional[_Iterable[_Union[ModelFile, _Mapping]]] = ...) -> None: ...

class ModelFile(_message.Message):
    __slots__ = ("name", "size_bytes", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    sha256: bytes
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class PushModelResponse(_message.Message):
    __slots__ = ("sha256", "ledger_index")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    ledger_index: int
    def __init__(self, sha256: _Optional[bytes] = ..., ledger_index: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("model", "live_version", "previous_version", "shadow_version", "live_sha256", "updated_time", "version_count")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIVE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHADOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    LIVE_SHA256_FIELD_NUMBER: _ClassVar[int]
    UPDATED_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    model: str
    live_version: str
    previous_version: str
    shadow_version: str
    live_sha256: bytes
    updated_time: _timestamp_pb2.Timestamp
    version_count: int
    def __init__(self, model: _Optional[str] = ..., live_version: _Optional[str] = ..., previous_version: _Optional[str] = ..., shadow_version: _Optional[str] = ..., live_sha256: _Optional[bytes] = ..., updated_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version_count: _Optional[int] = ...) -> None: ...

class ShowModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ShowModelResponse(_message.Message):
    __slots__ = ("model", "versions", "events", "comparisons")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    events: _containers.RepeatedCompositeFieldContainer[ModelEvent]
    comparisons: _containers.RepeatedCompositeFieldContainer[ShadowComparison]
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[ModelEvent, _Mapping]]] = ..., comparisons: _Optional[_Iterable[_Union[ShadowComparison, _Mapping]]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("version", "sha256", "size_bytes", "accepted_time", "actor", "card")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_TIME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    version: str
    sha256: bytes
    size_bytes: int
    accepted_time: _timestamp_pb2.Timestamp
    actor: str
    card: str
    def __init__(self, version: _Optional[str] = ..., sha256: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., accepted_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., card: _Optional[str] = ...) -> None: ...

class ModelEvent(_message.Message):
    __slots__ = ("action", "version", "before_version", "actor", "event_time", "ledger_index")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BEFORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    action: ModelAction
    version: str
    before_version: str
    actor: str
    event_time: _timestamp_pb2.Timestamp
    ledger_index: int
    def __init__(self, action: _Optional[_Union[ModelAction, str]] = ..., version: _Optional[str] = ..., before_version: _Optional[str] = ..., actor: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ledger_index: _Optional[int] = ...) -> None: ...

class ShadowComparison(_message.Message):
    __slots__ = ("live_version", "shadow_version", "image_count", "failure_count", "label_count", "same_label_count", "mean_probability_difference", "mean_dice", "hc_count", "mean_hc_difference_mm")
    LIVE_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHADOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LABEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAME_LABEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_PROBABILITY_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    MEAN_DICE_FIELD_NUMBER: _ClassVar[int]
    HC_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_HC_DIFFERENCE_MM_FIELD_NUMBER: _ClassVar[int]
    live_version: str
    shadow_version: str
    image_count: int
    failure_count: int
    label_count: int
    same_label_count: int
    mean_probability_difference: float
    mean_dice: float
    hc_count: int
    mean_hc_difference_mm: float
    def __init__(self, live_version: _Optional[str] = ..., shadow_version: _Optional[str] = ..., image_count: _Optional[int] = ..., failure_count: _Optional[int] = ..., label_count: _Optional[int] = ..., same_label_count: _Optional[int] = ..., mean_probability_difference: _Optional[float] = ..., mean_dice: _Optional[float] = ..., hc_count: _Optional[int] = ..., mean_hc_difference_mm: _Optional[float] = ...) -> None: ...

class PromoteModelRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class PromoteModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class RollbackModelRequest(_message.Message):
    __slots__ = ("model", "from_version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    from_version: str
    def __init__(self, model: _Optional[str] = ..., from_version: _Optional[str] = ...) -> None: ...

class RollbackModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class SetShadowRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class SetShadowResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...
