"""Hostile model files of every kind, lying where models lie: placed, listed, hashed, told about and chosen, nothing of them runs."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.compute.policy import ComputePolicy
from modules.families.sd15 import SD1
from modules.loading.controlnet import load_control
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork import load_hypernetwork
from modules.loading.lora import read_lora
from modules.loading.picture_models import load_picture_model
from modules.loading.vae import load_vae
from modules.schema.errors import CannotLoad
from tests.loading.files import listed

pytestmark = pytest.mark.group("S6")


class Runs:
    """A pickle that calls ``function`` with ``arguments`` when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def payloads(marker: Path) -> dict[str, Any]:
    touch = f"touch {marker}"
    return {
        "os.system": Runs(os.system, touch), "subprocess": Runs(subprocess.call, ["touch", str(marker)]), "eval": Runs(eval, f"open({str(marker)!r}, 'w')"), "exec": Runs(exec, f"open({str(marker)!r}, 'w')"),
        "open": Runs(open, str(marker), "w"), "getattr": Runs(getattr, "x", "__class__"), "import": Runs(__import__, "antigravity"), "torch.load": Runs(torch.load, str(marker)),
        "torch.hub": Runs(torch.hub.load, "evil/evil", "evil"), "copy": Runs(shutil.copy, "/etc/passwd", str(marker)), "partial": Runs(os.popen, touch), "nested": Runs(pickle.loads, pickle.dumps(Runs(os.system, touch))),
        "in a list": [[[Runs(os.system, touch)]]], "as a key": {(1, Runs(os.system, touch)): 2}, "beside tensors": {"state_dict": {"a": torch.zeros(2)}, "optimizer": Runs(os.system, touch)},
    }  # fmt: skip


def zipped(data: bytes, *, folder: str = "archive", extra: dict[str, bytes] | None = None, flags: int = 0) -> bytes:
    """A file as torch writes it, with ``data`` as its pickle. flags: bits that make some scanners skip an entry."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {f"{folder}/data.pkl": data, f"{folder}/version": b"3\n", f"{folder}/byteorder": b"little", **(extra or {})}.items():
            archive.writestr(name, content)
    found = bytearray(file.getvalue())
    if flags:
        place = found.index(b"PK\x01\x02")
        struct.pack_into("<H", found, place + 8, flags)
    return bytes(found)


def files(marker: Path) -> dict[str, bytes]:
    """About 30 hostile files by what is wrong with them."""
    found: dict[str, bytes] = {}
    for name, payload in payloads(marker).items():
        data = pickle.dumps(payload, 2)            # as torch writes it
        found[f"pickle {name}"] = data
        found[f"zip {name}"] = zipped(data)
    evil = pickle.dumps(Runs(os.system, f"touch {marker}"), 2)
    old = io.BytesIO()
    torch.save(payloads(marker)["os.system"], old, _use_new_zipfile_serialization=False)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(evil)
        archive.addfile(info, io.BytesIO(evil))
    good = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, good)
    return {
        **found, "old form": old.getvalue(), "tar": tar.getvalue(), "second pickle": zipped(pickle.dumps({}), extra={"other/data.pkl": evil, "archive/data2.pkl": evil}), "bad flags": zipped(evil, flags=0x21),
        "zip in zip": zipped(pickle.dumps({}), extra={"archive/inner.zip": zipped(evil)}), "nothing before": good.getvalue() + evil, "protocol 0": pickle.dumps(Runs(os.system, f"touch {marker}"), 0),
        "climbing names": zipped(evil, folder="../../x"), "torchscript": zipped(evil, extra={"archive/code/__torch__.py": b"import os", "archive/constants.pkl": evil}), "gzip": b"\x1f\x8b" + evil,
    }  # fmt: skip


READERS: dict[str, tuple[tuple[str, ...], Callable[[Path, ComputePolicy], object]]] = {
    "LoRA": ((".pt", ".ckpt", ".safetensors", ".SafeTensors"), lambda path, policy: read_lora(listed(path, "lora"))),
    "VAE": ((".pt", ".ckpt", ".safetensors"), lambda path, policy: load_vae(listed(path, "vae"), SD1, policy)),
    "embedding": ((".pt", ".bin", ".safetensors", ".SAFETENSORS"), lambda path, policy: load_embedding(path)),
    "upscaler": ((".pth", ".safetensors"), lambda path, policy: load_picture_model(path)),
    "hypernetwork": ((".pt",), lambda path, policy: load_hypernetwork(path)),
    "ControlNet": ((".pth", ".bin", ".safetensors"), lambda path, policy: load_control(listed(path, "control"), SD1, policy)),
}


@pytest.mark.parametrize("kind", READERS)
def test_nothing_of_it_runs(kind: str, tmp_path: Path, policy: ComputePolicy) -> None:
    marker = tmp_path / "ran"
    suffixes, read = READERS[kind]
    for number, (name, content) in enumerate(files(marker).items()):
        path = tmp_path / f"evil{suffixes[number % len(suffixes)]}"
        path.write_bytes(content)
        try:
            read(path, policy)
        except CannotLoad as error:
            assert path.name in error.message and error.reason, name
        assert not marker.exists(), (kind, name)
        path.unlink()


def test_listing_hashing_and_telling_run_nothing(tmp_path: Path, make_app: Callable[..., Any]) -> None:
    app, marker = make_app(), tmp_path / "ran"
    places = {"Stable-diffusion": (".ckpt", ".safetensors", ".SafeTensors"), "VAE": (".pt", ".ckpt"), "Lora": (".pt", ".safetensors"), "ESRGAN": (".pth",), "hypernetworks": (".pt",), "ControlNet": (".pth",)}
    for number, content in enumerate(files(marker).values()):
        for folder, suffixes in places.items():
            path = tmp_path / "models" / folder / f"evil{number}{suffixes[number % len(suffixes)]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    (tmp_path / "embeddings").mkdir()
    for number, content in enumerate(files(marker).values()):
        (tmp_path / "embeddings" / f"evil{number}.pt").write_bytes(content)
    app.catalogue.refresh()
    found = [*app.catalogue.checkpoints(), *app.catalogue.vaes(), *app.catalogue.loras(), *app.catalogue.embeddings()]
    assert sum("evil" in each.name for each in found) > 100
    for page in app.network_pages:
        for item in page.items():
            with suppress(CannotLoad):
                page.metadata(item)
    for model in found[:40]:
        app.catalogue.hash_later(model)
    assert not marker.exists()


def test_torchs_own_guard_is_a_version_without_known_holes() -> None:
    from packaging.version import Version

    assert Version(torch.__version__.partition("+")[0]) >= Version("2.10")
