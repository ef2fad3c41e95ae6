"""A pushed version is accepted only when it is everything that it must be; else it is refused by its rule."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.errors import ConfigInvalid
from cloud.ledger.verify import check_log
from cloud.models.client import CallFailed, read_folder
from sonorelay.contract.notes import Verifier, open_note
from sonorelay.ledger.v1.ledger_service_pb2 import GetInclusionProofRequest
from sonorelay.models.v1 import model_service_pb2 as pb

BRAIN = "fetal_brain_cls"


@pytest.mark.req("READ-10")
async def test_a_good_push_is_there_and_does_not_answer_yet(
    reading: Any, admin: Any, make_version: Any
) -> None:
    """The version lies in Triton's layout, its entry is in the ledger, and the live version stays."""
    folder = make_version("2")
    answer = await admin.push(folder)
    weights = (folder / "2" / "model.onnx").read_bytes()
    assert answer.sha256 == hashlib.sha256(weights).digest()
    placed = reading.config.data_dir / "models" / BRAIN / "2"
    assert (placed / "model.onnx").read_bytes() == weights
    assert (placed / "card.toml").read_bytes() == (folder / "card.toml").read_bytes()
    shown = await admin.show()
    assert (shown.model.live_version, shown.model.version_count) == ("1", 2)
    assert [(event.action, event.version, event.actor) for event in shown.events] == [
        (pb.MODEL_ACTION_PUSHED, "2", "loopback"),
        (pb.MODEL_ACTION_SHIPPED, "1", "program"),
    ]
    proof = await reading.agent().ledger.GetInclusionProof(
        GetInclusionProofRequest(ledger_index=answer.ledger_index), timeout=5
    )
    text, _ = open_note(proof.entry, [Verifier.parse(reading.endpoints.log_verifier_key)])
    assert text.startswith("sonorelay.org/model@v1\naction pushed\nmodel fetal_brain_cls\nversion 2\n")
    assert f"sha256 {answer.sha256.hex()}\nactor loopback\n" in text


async def test_the_same_push_again_is_accepted_again(admin: Any, make_version: Any) -> None:
    """A repeat gives the same answer and adds nothing to the history."""
    folder = make_version("2")
    assert await admin.push(folder) == await admin.push(folder)
    assert len((await admin.show()).events) == 2


async def test_a_version_is_never_overwritten(reading: Any, admin: Any, make_version: Any) -> None:
    """Other weights, or another card, under a number that is there are refused; the first files stay."""
    await admin.push(make_version("2"))
    placed = reading.config.data_dir / "models" / BRAIN / "2" / "model.onnx"
    before = placed.read_bytes()
    with pytest.raises(CallFailed, match="MODEL_VERSION_EXISTS"):
        await admin.push(make_version("2", logits=(0.0, 0.0, 9.0)))
    with pytest.raises(CallFailed, match="MODEL_VERSION_EXISTS"):
        await admin.push(make_version("1"))
    assert before == placed.read_bytes()


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    def change(card: dict[str, Any]) -> None:
        del card[key]

    return change


def _with(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda card: card.update(values)


@pytest.mark.req("READ-10")
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_without("split"), "card: it lacks split"),
        (_without("sample"), "card: it lacks sample"),
        (_without("known_failures"), "card: it lacks known_failures"),
        (_with(version="3"), "card: its version is '3', not '2'"),
        (_with(name="fetal_head_seg"), "card: its name"),
        (_with(notice="for diagnosis"), "card: its notice"),
        (_with(data=[{"name": "x", "licence": "", "attribution": "y"}]), "card: each row of its data"),
        (_with(sha256="0" * 64), "digest: the weights have SHA-256"),
        (_with(size_bytes=7), "digest: the weights have"),
        (_with(labels=["normal", "other", "ventriculomegaly"]), "labels: the card's labels"),
        (_with(sample={"logits": {"mean": 0.0, "least": 0.0, "largest": 0.0}}), "sample: output 'logits'"),
        (lambda card: card["sample"].pop("map"), "sample: the card states no mean of output 'map'"),
    ],
)
async def test_a_push_with_a_wrong_card_is_refused(
    reading: Any, admin: Any, make_version: Any, change: Any, rule: str
) -> None:
    """Each rule of the card is named, nothing of the push stays, and the site answers as before."""
    with pytest.raises(CallFailed, match=f"MODEL_REFUSED: {rule}"):
        await admin.push(make_version("2", change=change))
    _nothing_stays(reading)


@pytest.mark.req("READ-10")
@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda folder: (folder / "card.toml").unlink(), "card: the push has no card.toml"),
        (lambda folder: (folder / "2" / "model.onnx").unlink(), "manifest: the push has no model.onnx"),
        (lambda folder: (folder / "config.pbtxt").unlink(), "manifest: the push has no config.pbtxt"),
        (lambda folder: (folder / "labels.txt").unlink(), "config: label file 'labels.txt' is missing"),
        (lambda folder: (folder / "labels.txt").write_text("a\nb\nc\n"), "labels: the labels are"),
        (lambda folder: (folder / "card.toml").write_text("name ="), "card: card.toml does not parse"),
        (
            lambda folder: _replace(folder / "config.pbtxt", "dims: [3, 14, 14]", "dims: [3, 7, 7]"),
            "config: the outputs are",
        ),
        (
            lambda folder: _replace(
                folder / "config.pbtxt", "TYPE_FP32 dims: [1, 224", "TYPE_FP16 dims: [1, 224"
            ),
            "config: the inputs are",
        ),
        (
            lambda folder: _replace(
                folder / "config.pbtxt", "max_batch_size: 4", "max_batch_size: 4 nonsense: 1"
            ),
            "config: config.pbtxt does not parse",
        ),
    ],
)
async def test_a_push_with_wrong_files_is_refused(
    reading: Any, admin: Any, make_version: Any, spoil: Any, rule: str
) -> None:
    """Missing and foreign files, other labels and other shapes are refused by their rule."""
    folder = make_version("2")
    spoil(folder)
    with pytest.raises(CallFailed, match=f"MODEL_REFUSED: {rule}"):
        await admin.push(folder)
    _nothing_stays(reading)


async def test_weights_of_another_shape_are_refused(reading: Any, admin: Any, make_version: Any) -> None:
    """A configuration that claims the site's tensors for weights that have others is found on loading."""
    folder = make_version("2")
    other = make_version("2", logits=(1.0, 2.0, 3.0, 4.0), labels=("a", "b", "c", "d"))
    weights = (other / "2" / "model.onnx").read_bytes()
    (folder / "2" / "model.onnx").write_bytes(weights)
    card = (folder / "card.toml").read_text()
    lines = [
        f'sha256 = "{hashlib.sha256(weights).hexdigest()}"' if line.startswith("sha256") else line
        for line in card.splitlines()
        if not line.startswith("size_bytes")
    ]
    (folder / "card.toml").write_text("\n".join([f"size_bytes = {len(weights)}", *lines]))
    with pytest.raises(CallFailed, match="MODEL_REFUSED: weights: tensor 'logits'"):
        await admin.push(folder)
    _nothing_stays(reading)


async def test_weights_that_are_none_are_refused(reading: Any, admin: Any, make_version: Any) -> None:
    """Bytes that onnxruntime cannot load are refused, whatever the card says of them."""

    folder = make_version("2")
    data = b"not a network"
    (folder / "2" / "model.onnx").write_bytes(data)
    text = (folder / "card.toml").read_text().splitlines()
    kept = [line for line in text if not line.startswith(("sha256", "size_bytes"))]
    own = [f'sha256 = "{hashlib.sha256(data).hexdigest()}"', f"size_bytes = {len(data)}"]
    (folder / "card.toml").write_text("\n".join([*own, *kept]))
    with pytest.raises(CallFailed, match="MODEL_REFUSED: weights: onnxruntime cannot load"):
        await admin.push(folder)
    _nothing_stays(reading)


def _manifest(**changes: Any) -> pb.ModelManifest:
    names = ("config.pbtxt", "card.toml", "model.onnx")
    data = b"x"
    files = [pb.ModelFile(name=n, size_bytes=1, sha256=hashlib.sha256(data).digest()) for n in names]
    manifest = pb.ModelManifest(model=BRAIN, version="2", files=files)
    for name, value in changes.items():
        setattr(manifest, name, value)
    return manifest


def _file(**changes: Any) -> pb.ModelManifest:
    manifest = _manifest()
    for name, value in changes.items():
        setattr(manifest.files[-1], name, value)
    return manifest


def _with_file(name: str) -> pb.ModelManifest:
    manifest = _manifest()
    manifest.files.add(name=name, size_bytes=1, sha256=bytes(32))
    return manifest


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([], "manifest: the push has no message"),
        ([pb.PushModelRequest(data=b"x")], "manifest: the first message"),
        ([_manifest(version="")], "manifest: the version"),
        ([_manifest(version="01")], "manifest: the version"),
        ([_manifest(version="../1")], "manifest: the version"),
        ([_with_file("../../escape.onnx")], "manifest: a push has the files"),
        ([_with_file("model.onnx")], "manifest: a file is named twice"),
        ([_file(size_bytes=64 * 1024 * 1024 + 1)], "manifest: model.onnx has 67108865 bytes"),
        ([_file(size_bytes=0)], "manifest: model.onnx has 0 bytes"),
        ([_file(sha256=b"short")], "manifest: a digest"),
        ([_manifest(), b"x", b"x"], "transfer: the stream ended"),
        ([_manifest(), b"x", b"x", b"x", b"x"], "transfer: more bytes"),
        ([_manifest(), b"xx"], "transfer: a message reaches beyond"),
        ([_manifest(), b""], "transfer: a message after the manifest"),
        ([_manifest(), b"x", b"x", b"y"], "transfer: the bytes of model.onnx"),
    ],
)
async def test_a_stream_that_breaks_the_contract_is_refused(
    reading: Any, admin: Any, messages: list[Any], rule: str
) -> None:
    """What was announced must come, no more and no less, with its digest; names and sizes are bounded."""

    def requests() -> Iterator[pb.PushModelRequest]:
        for message in messages:
            if isinstance(message, bytes):
                yield pb.PushModelRequest(data=message)
            elif isinstance(message, pb.ModelManifest):
                yield pb.PushModelRequest(manifest=message)
            else:
                yield message

    stub = admin.client._stub
    with pytest.raises(CallFailed, match=f"MODEL_REFUSED: {rule}"):
        await asyncio.to_thread(admin.client._call, stub.PushModel, requests(), 10.0)
    _nothing_stays(reading)


async def test_a_model_that_the_site_has_not_is_refused(admin: Any, make_version: Any) -> None:
    """No call makes a new model, whatever its name."""
    folder = make_version("2")
    renamed = folder.parent / "fetal_heart_cls"
    folder.rename(renamed)
    with pytest.raises(CallFailed, match="MODEL_UNKNOWN"):
        await admin.push(renamed)
    with pytest.raises(CallFailed, match="MODEL_UNKNOWN"):
        await admin.show("../state")
    with pytest.raises(CallFailed, match="MODEL_UNKNOWN"):
        await admin.promote("7")


async def test_a_server_that_reads_nothing_keeps_no_models(
    running: Any, admin_of: Any, make_version: Any
) -> None:
    """Without inference every call is refused as MODELS_ELSEWHERE."""
    admin = admin_of(running)
    with pytest.raises(CallFailed, match="MODELS_ELSEWHERE"):
        await admin.list()
    with pytest.raises(CallFailed, match="MODELS_ELSEWHERE"):
        await admin.push(make_version("2"))
    admin.client.__exit__()


def test_a_folder_without_versions_is_no_model(tmp_path: Path, make_version: Any) -> None:
    """What cannot be pushed is named before anything is sent; the highest version is taken by itself."""
    with pytest.raises(ConfigInvalid, match="not a model folder"):
        read_folder(tmp_path)
    folder = make_version("9")
    (folder / "10").mkdir()
    assert read_folder(folder).version == "10"
    with pytest.raises(ConfigInvalid, match="it has no version 3"):
        read_folder(folder, "3")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _nothing_stays(reading: Any) -> None:
    """The site's files are those of its start, and its log has no entry."""
    models = reading.config.data_dir / "models"
    assert ["1"] == [path.name for path in (models / BRAIN).iterdir() if path.is_dir()]
    incoming = models / ".incoming"
    assert not incoming.exists() or [] == list(incoming.iterdir())
    assert check_log(reading.config.data_dir / "ledger", None).checkpoint.size == 0
