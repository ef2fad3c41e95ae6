"""Steps 3 to 5 in the child process: it may be killed, the parent lives."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_agent.errors import RetryLater
from edge_agent.filter import FilterRules
from edge_agent.sandbox import Sandbox, SandboxLimits
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.capture.memory_intake import until
from tests.edge_agent.deidentify.synthetic import dicom, encoded, ferns, pdf, request, screen

PICTURE = screen().pixels
PNG = encoded(PICTURE, ".png")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    one = Sandbox(ferns_path=ferns(tmp_path / "ferns.npz"))
    yield one
    one.close()


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """A sandbox whose child runs `code` in place of the three steps, under the real limits."""
    made: list[Sandbox] = []

    def make(code: str, **limits: float) -> Sandbox:
        program = f"""
import edge_agent.prepare, edge_agent.sandbox_child
from edge_agent.errors import NeedsPerson
def prepare(request, tools):
    {code}
edge_agent.prepare.prepare = prepare
edge_agent.sandbox_child.main()
"""
        one = Sandbox(
            SandboxLimits(**limits),  # type: ignore[arg-type]
            ferns_path=ferns(tmp_path / "ferns.npz"),
            command=(sys.executable, "-P", "-c", program),
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff"])
def test_rasters_come_out_as_bare_png(sandbox: Sandbox, tmp_path: Path, suffix: str) -> None:
    """Whatever raster goes in, a PNG with pixels and nothing else comes out."""
    reply = sandbox.prepare(request(tmp_path, encoded(PICTURE, suffix)))
    assert ("kept", None) == (reply.outcome, reply.reason)
    (image,) = reply.images
    data = image.path.read_bytes()
    chunks, at = [], 8
    while at < len(data):
        chunks.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    assert {b"IHDR", b"IDAT", b"IEND"} == set(chunks)
    assert (800, 540, len(data)) == (image.width_px, image.height_px, image.size_bytes)
    assert 1.0 == pytest.approx(sum(image.type_probabilities.values()))
    assert {"filter", "de-identify", "split by type"} == set(reply.timings_ms)


def test_pdf_and_dicom_and_a_given_scale(sandbox: Sandbox, tmp_path: Path) -> None:
    """Pages become images with ids of their own; DICOM stays DICOM; the order's scale goes along."""
    reply = sandbox.prepare(request(tmp_path, pdf(PICTURE, pages=2), mm_per_pixel=0.25))
    assert [(0, 0.25, "given"), (1, 0.25, "given")] == [
        (image.index_in_capture, image.mm_per_pixel, image.scale_source) for image in reply.images
    ]
    assert 2 == len({image.image_id for image in reply.images})
    reply = sandbox.prepare(request(tmp_path, dicom(PICTURE)))
    assert ["application/dicom"] == [image.media_type for image in reply.images]


@pytest.mark.req("TX-02")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", EdgeReason.EMPTY_FILE),
        (b"\x7fELF" + bytes(300), EdgeReason.NOT_AN_IMAGE),
        (b"PK\x03\x04" + bytes(300), EdgeReason.NOT_AN_IMAGE),
        (b"just text\n" * 40, EdgeReason.NOT_AN_IMAGE),
        (b"GIF89a" + bytes(300), EdgeReason.UNSUPPORTED_FORMAT),
        (PNG[:-40], EdgeReason.TRUNCATED),
    ],
    ids=["empty", "elf", "zip", "text", "gif", "half"],
)
def test_bad_input_has_a_reason(sandbox: Sandbox, tmp_path: Path, data: bytes, reason: EdgeReason) -> None:
    """Each kind of bad input is refused with its own reason and leaves no image."""
    reply = sandbox.prepare(request(tmp_path, data))
    assert ("refused", reason, ()) == (reply.outcome, reply.reason, reply.images)
    assert [] == list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "code",
    ["import os; os.abort()", "bytearray(2 * 1024**3)", "import time; time.sleep(60)", "while True: pass"],
    ids=["crash", "memory", "hang", "spin"],
)
def test_death_is_a_refusal_and_the_next_order_gets_a_new_child(
    hostile: Callable[..., Sandbox], tmp_path: Path, code: str
) -> None:
    """A child that crashes, hangs, spins or eats memory is PARSER_KILLED; a new one serves the next."""
    one = hostile(code, wall_s=3.0, cpu_s=1)
    reply = one.prepare(request(tmp_path, PNG))
    assert ("refused", EdgeReason.PARSER_KILLED) == (reply.outcome, reply.reason)
    assert one.child_pid is None
    one.warm()
    assert one.child_pid is not None


def test_killed_child_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    """A child that somebody killed between two orders costs no image: the next order gets a new child."""
    assert "kept" == sandbox.prepare(request(tmp_path, PNG)).outcome
    first = sandbox.child_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    assert "kept" == sandbox.prepare(request(tmp_path, PNG)).outcome
    assert sandbox.child_pid != first


def test_an_unknown_error_is_the_bytes_fault(hostile: Callable[..., Sandbox], tmp_path: Path) -> None:
    """Whatever a library throws at hostile bytes is a refusal, and the same child goes on."""
    one = hostile("raise KeyError('patient')")
    reply = one.prepare(request(tmp_path, PNG))
    assert ("refused", EdgeReason.UNREADABLE, "KeyError") == (reply.outcome, reply.reason, reply.detail)
    assert one.child_pid is not None


def test_a_child_that_does_not_start_is_not_the_images_fault(tmp_path: Path) -> None:
    """A broken installation makes the order wait; it refuses no image."""
    one = Sandbox(ferns_path=tmp_path / "nowhere.npz")
    with pytest.raises(RetryLater, match="does not start"):
        one.prepare(request(tmp_path, PNG))
    one.close()


def test_a_full_disk_is_not_the_images_fault(hostile: Callable[..., Sandbox], tmp_path: Path) -> None:
    """What the machine lacks makes the order wait."""
    one = hostile("raise OSError(28, 'full')")
    with pytest.raises(RetryLater, match="errno 28"):
        one.prepare(request(tmp_path, PNG))


def test_idle_child_ends(tmp_path: Path) -> None:
    """Without orders the child goes, so that an idle agent is small; a later order starts another."""
    one = Sandbox(idle_exit_s=0.2, ferns_path=ferns(tmp_path / "ferns.npz"))
    one.warm()
    child = one.child_pid
    assert child is not None
    until(lambda: one.child_pid is None)
    assert not psutil.pid_exists(child)
    assert "kept" == one.prepare(request(tmp_path, PNG)).outcome
    one.close()


def test_close_ends_a_running_order(hostile: Callable[..., Sandbox], tmp_path: Path) -> None:
    """Closing does not wait for a hanging child, and the capture is not refused."""
    one = hostile("import time; time.sleep(60)")
    order, caught = request(tmp_path, PNG), []

    def ask() -> None:
        try:
            one.prepare(order)
        except RetryLater as later:
            caught.append(later)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: one.child_pid is not None and one._child is not None and one._child.is_ready)
    started = time.monotonic()
    one.close()
    thread.join()
    assert 1 == len(caught)
    assert time.monotonic() - started < 10.0


def test_several_threads_share_the_child(sandbox: Sandbox, tmp_path: Path) -> None:
    """Orders of several threads are answered one after the other, each with its own answer."""
    replies: dict[int, str] = {}

    def ask(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        reply = sandbox.prepare(request(folder, PNG if number % 2 else b""))
        replies[number] = reply.outcome

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: "kept" if number % 2 else "refused" for number in range(6)} == replies


def test_site_rules_reach_the_child(tmp_path: Path) -> None:
    """A site's settings of the filter hold in the child."""
    one = Sandbox(ferns_path=ferns(tmp_path / "ferns.npz"), rules=FilterRules(modalities=frozenset({"IVUS"})))
    reply = one.prepare(request(tmp_path, dicom(PICTURE)))
    assert EdgeReason.NOT_ULTRASOUND is reply.reason
    one.close()


def test_limits_hold_in_the_child(hostile: Callable[..., Sandbox], tmp_path: Path) -> None:
    """The child has its memory limit, writes no core dump, and has no way to a network."""
    one = hostile(
        "import resource, socket, os; "
        "limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_CORE)]; "
        "raise NeedsPerson(repr((*limits, "
        "[name for _, name in socket.if_nameindex()], 'HOME' in os.environ)))"
    )
    with pytest.raises(RetryLater) as told:
        one.prepare(request(tmp_path, PNG))
    memory, core, names, has_home = ast.literal_eval(str(told.value))
    assert (1024**3, 0, False) == (memory, core, has_home)
    assert set(names) <= {"lo"} or os.geteuid() != 0


def test_parent_imports_no_parser() -> None:
    """The agent's own process never loads a library that parses images."""
    code = (
        "import sys, edge_agent.sandbox, edge_agent.capture.folder; "
        "print([m for m in ('numpy', 'cv2', 'pydicom', 'pypdfium2', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert "[]" == done.stdout.strip()
