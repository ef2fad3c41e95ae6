"""Steps 3 to 5 run here: the child's side of the sandbox.

Limits itself first, then serves orders until its input ends.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from edge_agent.errors import NeedsPerson
from edge_agent.items import PrepareReply
from edge_agent.sandbox_wire import framed, reply_to_json, request_from_json, rules_from_json
from sonorelay.contract.reasons import EdgeReason

if TYPE_CHECKING:
    from edge_agent.prepare import Tools

_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000
_OPEN_FILES_MAX: Final = 128


def main() -> None:
    """Serves orders from standard input on standard output until the input ends."""
    orders, answers = _own_pipes()
    hello = _receive(orders)
    if hello is None:
        return
    _limit(hello["limits"])
    _leave_network()
    tools = _tools(hello)
    gc.freeze()
    _send(answers, {"ready": True})
    while (message := _receive(orders)) is not None:
        _allow_cpu(hello["limits"]["cpu_s"])
        answer = _serve(message, tools)
        _send(answers, answer)
        if answer.get("ends"):
            return


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Takes the pipes away from the standard streams, so that no library can read or write them."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return orders, answers


def _limit(limits: dict[str, Any]) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, _OPEN_FILES_MAX),
        # A dump of this process would hold patient data.
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def _allow_cpu(cpu_s: int) -> None:
    """Gives the next order `cpu_s` seconds of processor time; beyond, the kernel kills (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + cpu_s + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _leave_network() -> None:
    """Moves into an empty network namespace where the kernel lets us.

    Nothing here opens a socket in any case.
    """
    if sys.platform != "linux":
        return
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.unshare(_CLONE_NEWNET) != 0:
        kernel.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _tools(hello: dict[str, Any]) -> Tools:
    from edge_agent.ferns import Ferns
    from edge_agent.filter import Filter
    from edge_agent.prepare import Tools

    return Tools(
        rules=Filter(rules=rules_from_json(hello["rules"])), classifier=Ferns.load(Path(hello["ferns_path"]))
    )


def _serve(message: dict[str, Any], tools: Tools) -> dict[str, Any]:
    from edge_agent.prepare import prepare

    try:
        return reply_to_json(prepare(request_from_json(message), tools))
    except OSError as error:
        return {"machine_error": f"errno {error.errno}: {os.strerror(error.errno or 0)}"}
    except NeedsPerson as error:
        return {"machine_error": error.hint}
    except MemoryError:
        # What is left of this process is not to be trusted with the next order.
        return _refused(EdgeReason.PARSER_KILLED, "memory") | {"ends": True}
    except Exception as error:
        # The outermost loop: whatever a library threw at hostile bytes, the reason is the bytes.
        return _refused(EdgeReason.UNREADABLE, type(error).__name__)


def _refused(reason: EdgeReason, detail: str) -> dict[str, Any]:
    return reply_to_json(PrepareReply(outcome="refused", reason=reason, detail=detail, images=()))


def _receive(orders: BinaryIO) -> dict[str, Any] | None:
    head = orders.read(4)
    if len(head) < 4:
        return None
    message: dict[str, Any] = json.loads(orders.read(int.from_bytes(head, "big")))
    return message


def _send(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(framed(message))
    answers.flush()


if __name__ == "__main__":
    main()
