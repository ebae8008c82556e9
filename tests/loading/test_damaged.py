"""Whatever is wrong with a file: nothing of it runs, the message names file and reason, and the model in use stays as it is."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from modules.compute.policy import ComputePolicy
from modules.engine.generate import generate
from modules.engine.resolved import PreviewOptions, ResolvedRequest
from modules.loading.checkpoint import load_checkpoint
from modules.loading.checkpoints import Checkpoints
from modules.loading.components import Components
from modules.schema.errors import CannotLoad, FileChanged
from tests.golden.cases import MODELS, checkpoint_path
from tests.loading.files import catalogue_of, checkpoint, golden_tensors, listed, pickled


class Hostile:
    """A pickle that would write a file if it ran."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.victim}",)


def _changed(**changes: torch.Tensor | None) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        tensors = {**golden_tensors(), **{name.replace("__", "."): tensor for name, tensor in changes.items()}}
        return checkpoint(folder / "changed.safetensors", {name: tensor for name, tensor in tensors.items() if tensor is not None})

    return make


def _raw(name: str, content: Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content())
        return folder / name

    return make


def _golden_bytes(start: float, end: float) -> Callable[[], bytes]:
    def read() -> bytes:
        content = checkpoint_path().read_bytes()
        return content[int(len(content) * start) : int(len(content) * end)]

    return read


def _only(prefix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return checkpoint(folder / "part.safetensors", {name: tensor for name, tensor in golden_tensors().items() if name.startswith(prefix)})

    return make


def _without(part: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return checkpoint(folder / "part.safetensors", {name: tensor for name, tensor in golden_tensors().items() if part not in name})

    return make


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO(b""))
    return buffer.getvalue()


def _nested_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(Path("hostile-ran")), protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return buffer.getvalue()


UNET = "model.diffusion_model."
FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (_raw("a.safetensors", lambda: b""), "empty"),
    "half of it": (_raw("a.safetensors", _golden_bytes(0, 0.5)), "truncated"),
    "nearly all of it": (_raw("a.safetensors", _golden_bytes(0, 0.999)), "truncated"),
    "its end only": (_raw("a.safetensors", _golden_bytes(0.5, 1)), "not a safetensors file"),
    "a web page": (_raw("a.safetensors", lambda: b"<!doctype html><title>Log in</title>"), "web page"),
    "a LoRA": (lambda folder: MODELS / "tiny-lora.safetensors", "this is a LoRA"),
    "an embedding": (lambda folder: MODELS / "tiny-emb.safetensors", "embedding"),
    "a VAE": (_only("first_stage_model."), "a VAE without the rest"),
    "the UNet only": (_only(UNET), "no VAE"),
    "no VAE": (_without("first_stage_model"), "no VAE"),
    "no text encoder": (_without("cond_stage_model"), "no CLIP-L text encoder"),
    "half a text encoder": (_without("text_model.encoder.layers.1"), "text encoder has"),
    "half a UNet": (_without("output_blocks.4"), "UNet is incomplete"),
    "half a VAE": (_without("decoder.up.2"), "VAE is incomplete"),
    "a decoder only": (_without("first_stage_model.encoder"), "VAE is incomplete: it lacks encoder.conv_in.weight"),
    "another shape": (_changed(**{f"{UNET}out.0.weight".replace(".", "__"): torch.zeros(48)}), "is 48, its layout needs 32"),
    "a surplus tensor": (_changed(**{f"{UNET}input_blocks.1.0.extra".replace(".", "__"): torch.zeros(3)}), "does not know"),
    "integers for weights": (lambda folder: pickled(folder / "a.ckpt", {"epoch": 3}), "no tensors"),
    "a list": (lambda folder: pickled(folder / "a.ckpt", [1, 2, 3]), "a list instead of a table"),
    "a tensor alone": (lambda folder: pickled(folder / "a.ckpt", torch.zeros(3)), "a Tensor instead of a table"),
    "a pickle renamed": (lambda folder: pickled(folder / "a.safetensors", dict(golden_tensors())), "pickle"),
    "a hostile pickle": (lambda folder: pickled(folder / "a.ckpt", {"state_dict": Hostile(folder / "ran")}), "may run a program"),
    "a hostile bare pickle": (lambda folder: pickled(folder / "a.ckpt", Hostile(folder / "ran"), _use_new_zipfile_serialization=False), "may run"),
    "a hostile pickle in capitals": (lambda folder: pickled(folder / "a.CKPT", Hostile(folder / "ran")), "may run a program"),
    "a hostile pickle renamed": (lambda folder: pickled(folder / "a.SafeTensors", Hostile(folder / "ran")), "pickle"),
    "a hostile zip by hand": (_raw("a.ckpt", _nested_zip), ""),
    "eval": (_raw("a.ckpt", lambda: b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R."), "it names eval"),
    "a cut zip": (lambda folder: _cut(pickled(folder / "a.ckpt", dict(golden_tensors()))), "truncated or damaged"),
    "an old tar": (_raw("a.pt", _tar), ""),
    "text as ckpt": (_raw("a.ckpt", lambda: b"hello, this is text and no model"), "not a safetensors file"),
    "nothing there": (lambda folder: folder / "gone.safetensors", "the file is gone"),
    "a gone ckpt": (lambda folder: folder / "gone.ckpt", "the file is gone"),
    "a folder": (lambda folder: folder, "it is a folder"),
    "an SD2 unCLIP checkpoint": (lambda folder: _unet_only(folder, open_clip=True), "recognised as SD2 unCLIP; this version cannot run SD2 unCLIP models yet"),
    "an SDXL checkpoint without most of it": (lambda folder: _unet_only(folder, open_clip=False), "it has no CLIP-L text encoder"),
}


def _cut(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def _made(name: str, folder: Path) -> Path:
    return FILES[name][0](folder)


def _unet_only(folder: Path, *, open_clip: bool) -> Path:
    zero = torch.zeros
    tensors = {f"{UNET}input_blocks.0.0.weight": zero(8, 4, 3, 3), f"{UNET}label_emb.0.0.weight": zero(8, 8), f"{UNET}middle_block.1.proj_in.weight": zero(8, 8)}
    tensors |= {"cond_stage_model.model.ln_final.weight": zero(8)} if open_clip else {"first_stage_model.decoder.conv_in.weight": zero(8, 4, 3, 3)}
    return checkpoint(folder / "some.safetensors", tensors)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.group("R5")
def test_a_bad_file_is_named_with_its_reason_and_runs_nothing(name: str, tmp_path: Path, policy: ComputePolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = _made(name, tmp_path)
    with pytest.raises(CannotLoad) as raised:
        load_checkpoint(listed(path), policy)
    assert FILES[name][1] in raised.value.reason
    assert str(path) in str(raised.value) and raised.value.remedy
    assert not list(tmp_path.glob("*ran"))


@pytest.fixture(scope="module")
def in_use(policy: ComputePolicy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoints, Components]:
    data = tmp_path_factory.mktemp("data")
    path = checkpoint(data / "models" / "Stable-diffusion" / "good.safetensors")
    checkpoints = Checkpoints(catalogue_of(data), policy)
    return checkpoints, checkpoints.load(listed(path))


@pytest.mark.group("R5")
def test_the_model_in_use_draws_the_same_picture_after_all_that_could_not_be_loaded(
    tmp_path: Path, in_use: tuple[Checkpoints, Components], policy: ComputePolicy
) -> None:
    checkpoints, components = in_use
    request = ResolvedRequest(prompt="a red circle", width=64, height=64, steps=2, seed=3, preview=PreviewOptions(every_steps=0))
    before = generate(request, components, policy=policy).images[0].picture.tobytes()
    for number, name in enumerate(FILES):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(CannotLoad):
            checkpoints.load(listed(_made(name, folder)))
        assert checkpoints.components is components and checkpoints.current and checkpoints.current.stem == "good"
    assert generate(request, components, policy=policy).images[0].picture.tobytes() == before


def test_a_training_checkpoint_with_harmless_extras_is_read(tmp_path: Path, policy: ComputePolicy, golden: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first published SD 1.x .ckpt files: Lightning's callbacks and numpy numbers beside the weights."""
    import sys
    import types

    callbacks = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    kind = type("ModelCheckpoint", (), {"__module__": callbacks.__name__, "__qualname__": "ModelCheckpoint"})
    callbacks.ModelCheckpoint = kind  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, callbacks.__name__, callbacks)
    extras = {"callbacks": {kind: {"best": np.float64(0.5), "score": torch.tensor(1.0)}}, "epoch": 3, "lr": np.float32(0.1)}
    path = checkpoint(tmp_path / "trained.safetensors").rename(tmp_path / "trained.ckpt")
    pickled(path, {"state_dict": dict(golden_tensors()), **extras})
    monkeypatch.delitem(sys.modules, callbacks.__name__)
    loaded = load_checkpoint(listed(path), policy)
    for ours, theirs in zip(loaded.unet.parameters(), golden.unet.parameters()):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("zipped", [True, False])
def test_ckpt_files_of_both_ages_are_read(zipped: bool, tmp_path: Path, policy: ComputePolicy, golden: Components) -> None:
    path = checkpoint(tmp_path / "old.safetensors").rename(tmp_path / "old.ckpt")
    pickled(path, dict(golden_tensors()), _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(listed(path), policy)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(loaded.modules()[-1].parameters(), golden.modules()[-1].parameters()))


def test_a_safetensors_file_called_ckpt_is_read(tmp_path: Path, policy: ComputePolicy) -> None:
    path = checkpoint(tmp_path / "a.safetensors").rename(tmp_path / "a.ckpt")
    assert load_checkpoint(listed(path), policy).family.name == "SD1"


@pytest.mark.copying
@pytest.mark.parametrize("name", ["new.safetensors", "new.ckpt"])
def test_a_file_that_is_still_being_copied_is_said_to_be_so_and_is_read_when_it_is_whole(name: str, tmp_path: Path, policy: ComputePolicy) -> None:
    whole = checkpoint(tmp_path / "whole.safetensors")
    if name.endswith(".ckpt"):
        whole = whole.rename(tmp_path / "whole.ckpt")
        pickled(whole, dict(golden_tensors()))
    content, path, stop = whole.read_bytes(), tmp_path / name, threading.Event()
    path.write_bytes(content[: len(content) // 2])

    def copy() -> None:
        with open(path, "ab") as file:
            for each in content[len(content) // 2 : -1000]:
                file.write(bytes([each]))
                file.flush()
                if stop.wait(0.1):
                    break

    copying = threading.Thread(target=copy)
    copying.start()
    try:
        with pytest.raises(FileChanged, match="still being copied"):
            load_checkpoint(listed(path), policy)
    finally:
        stop.set()
        copying.join()
    with pytest.raises(CannotLoad, match="truncated"):       # the copying ended half-way
        load_checkpoint(listed(path), policy)
    path.write_bytes(content)
    assert load_checkpoint(listed(path), policy).family.name == "SD1"
