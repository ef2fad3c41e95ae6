import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubFileIndex(_message.Message):
    __slots__ = ("image_type", "images")
    IMAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    image_type: str
    images: _containers.RepeatedCompositeFieldContainer[SubFileImage]
    def __init__(self, image_type: _Optional[str] = ..., images: _Optional[_Iterable[_Union[SubFileImage, _Mapping]]] = ...) -> None: ...

class SubFileImage(_message.Message):
    __slots__ = ("image_id", "media_type", "offset_bytes", "size_bytes", "sha256", "width_px", "height_px", "frame_count", "mm_per_pixel", "scale_source", "type_probabilities", "capture_time", "source_format", "index_in_capture")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    MM_PER_PIXEL_FIELD_NUMBER: _ClassVar[int]
    SCALE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    INDEX_IN_CAPTURE_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    media_type: str
    offset_bytes: int
    size_bytes: int
    sha256: bytes
    width_px: int
    height_px: int
    frame_count: int
    mm_per_pixel: float
    scale_source: str
    type_probabilities: _containers.RepeatedCompositeFieldContainer[TypeProbability]
    capture_time: _timestamp_pb2.Timestamp
    source_format: str
    index_in_capture: int
    def __init__(self, image_id: _Optional[str] = ..., media_type: _Optional[str] = ..., offset_bytes: _Optional[int] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., frame_count: _Optional[int] = ..., mm_per_pixel: _Optional[float] = ..., scale_source: _Optional[str] = ..., type_probabilities: _Optional[_Iterable[_Union[TypeProbability, _Mapping]]] = ..., capture_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source_format: _Optional[str] = ..., index_in_capture: _Optional[int] = ...) -> None: ...

class TypeProbability(_message.Message):
    __slots__ = ("image_type", "probability")
    IMAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    image_type: str
    probability: float
    def __init__(self, image_type: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...
