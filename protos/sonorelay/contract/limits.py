"""Limits that both sides keep. A change here is a change of the contract: SPEC.md, section 6."""

from __future__ import annotations

from typing import Final

SHARD_SIZE_BYTES: Final = 256 * 1024
FRAGMENT_MAX_BYTES: Final = 256 * 1024
MESSAGE_MAX_BYTES: Final = 272 * 1024
"""Largest PutShards message; unary messages may be larger, see UNARY_MAX_BYTES."""
UNARY_MAX_BYTES: Final = 4 * 1024 * 1024
BLOCK_MAX_BYTES: Final = 1024
PARTS_MAX: Final = 16
IMAGES_PER_PART_MAX: Final = 4096
STILL_MAX_BYTES: Final = 64 * 1024 * 1024
CINE_MAX_BYTES: Final = 2 * 1024**3
PART_MAX_BYTES: Final = 4 * 1024**3
FRAME_MAX_PIXELS: Final = 50_000_000
FRAMES_MAX: Final = 5_000
GESTATIONAL_AGE_MAX_DAYS: Final = 315
MODEL_WEIGHTS_MAX_BYTES: Final = 64 * 1024 * 1024
MODEL_TEXT_MAX_BYTES: Final = 1024 * 1024
SHARD_RESENDS_MAX: Final = 3
WINDOW_START_BYTES: Final = 128 * 1024
WINDOW_MAX_BYTES: Final = 8 * 1024 * 1024

PRE_NOTIFY_DEADLINE_S: Final = 5.0
OPEN_DEADLINE_S: Final = 5.0
FIND_MISSING_DEADLINE_S: Final = 5.0
COMMIT_DEADLINE_S: Final = 15.0
HEARTBEAT_INTERVAL_S: Final = 5.0


MODEL_READ_DEADLINE_S: Final = 5.0
MODEL_CHANGE_DEADLINE_S: Final = 60.0


def upload_deadline_s(size_bytes: int) -> float:
    """Deadline in seconds of an upload of `size_bytes`: 30 s + 1 s per MiB."""
    return 30.0 + size_bytes / (1024 * 1024)


KEEPALIVE_CLIENT_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", UNARY_MAX_BYTES),
    ("grpc.max_send_message_length", UNARY_MAX_BYTES),
)
KEEPALIVE_SERVER_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    *KEEPALIVE_CLIENT_OPTIONS[:2],
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", UNARY_MAX_BYTES),
    ("grpc.max_send_message_length", UNARY_MAX_BYTES),
    ("grpc.so_reuseport", 0),
)
