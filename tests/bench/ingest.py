"""Ingest without inference against DCMTK's storescu to Debian's Orthanc, both with everything durable."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from deploy.local.machine import stop
from tests.bench.outcome import Row, row
from tests.bench.processor import Watch
from tests.line_machine import Line, wait_for

IMAGES = 200
WIDTH_PX, HEIGHT_PX = 800, 540


def _images(folder: Path, count: int) -> list[Path]:
    """Uncompressed 8-bit ultrasound DICOM files of 432 kB, all different."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    paths = []
    for number in range(count):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
        ds.PatientID, ds.PatientName, ds.Modality = f"BENCH{number}", "Bench^Made-up", "US"
        ds.Rows, ds.Columns, ds.SamplesPerPixel = HEIGHT_PX, WIDTH_PX, 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.PixelData = rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX), np.uint8).tobytes()
        path = folder / f"{number:04}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _orthanc_per_s(folder: Path, images: list[Path]) -> float:
    """Images per second that one storescu association brings into Orthanc with SyncStorageArea on."""
    storage = folder / "orthanc"
    storage.mkdir()
    port = _free_port()
    settings = {
        "Name": "bench", "StorageDirectory": str(storage), "IndexDirectory": str(storage), "SyncStorageArea": True,
        "HttpServerEnabled": False, "DicomPort": port, "DicomAet": "ORTHANC", "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True, "Plugins": [], "StorageCompression": False,
    }  # fmt: skip
    config = folder / "orthanc.json"
    config.write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        orthanc = subprocess.Popen([_program("Orthanc"), config], stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(port), "Orthanc to listen")
        send = [_program("storescu"), "-aec", "ORTHANC", "127.0.0.1", str(port)]
        subprocess.run([*send, *map(str, images[:5])], check=True, capture_output=True)
        begin = time.monotonic()
        subprocess.run([*send, *map(str, images[5:])], check=True, capture_output=True)
        return len(images[5:]) / (time.monotonic() - begin)
    finally:
        stop(orthanc)


def _program(name: str) -> str:
    # An activated virtual environment has a storescu of its own (pynetdicom's); DCMTK's is meant.
    found = shutil.which(name, path="/usr/bin:/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: apt-get install {'orthanc' if name == 'Orthanc' else 'dcmtk'}")
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ours_per_s(folder: Path, images: list[Path]) -> tuple[float, dict[str, float]]:
    """Images per second from a spool of prepared captures to verified receipts, steps 7 to 10; and where the
    processors' time went."""
    with Line(folder / "line") as line:
        cloud = line.cloud("--no-inference")
        agent = line.agent("--pixels", "trusted")
        for path in images[:5]:
            path.rename(line.prints / path.name)
        line.agent_done(5)
        stop(cloud)
        for path in images[5:]:
            path.rename(line.prints / path.name)
        count = len(images) - 5
        wait_for(
            lambda: line.status()["captures_by_state"].get("sharded", 0) == count, "the spool to be filled", line,
            timeout_s=180,
        )  # fmt: skip
        stop(agent)
        cloud, agent = line.cloud("--no-inference"), line.agent("--pixels", "trusted")
        wait_for(lambda: len(line.state().committed_times) > 5, "the first commit", line, every_s=0.2)
        watch, before = Watch(cloud, agent), len(line.state().committed_times)
        # Looked at in the database: asking the agent would take the processor from what is measured.
        wait_for(
            lambda: len(line.state().committed_times) == len(images), "every commit", line,
            timeout_s=180, every_s=0.5,
        )  # fmt: skip
        profile = watch.profile_ms(len(images) - before)
        commits = line.state().committed_times[-count:]
        return (count - 1) / (commits[-1] - commits[0]).total_seconds(), profile


def against_orthanc(folder: Path) -> list[Row]:
    """Durable images per second, ours against Orthanc's, 432 kB each."""
    theirs_per_s = _orthanc_per_s(folder, _images(folder / "theirs", IMAGES))
    ours_per_s, profile = _ours_per_s(folder, _images(folder / "ours", IMAGES))
    return [
        row(
            "ingest without inference / storescu to Orthanc", ours_per_s, theirs_per_s, "images/s",
            ours_per_s / theirs_per_s, ">=", 5.0, profile=profile,
            notes="432 kB DICOM, everything synced; ours: upload, verify, store, ledger, receipt; first to last commit",
        )
    ]  # fmt: skip
