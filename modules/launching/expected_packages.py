"""Packages that A1111 brings along, so that extensions import them without asking for them anywhere.

Only those that an extension in use names in its files are installed.
"""
from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

EXPECTED: Mapping[str, str] = {
    "accelerate": "accelerate", "aiofiles": "aiofiles", "aiohttp": "aiohttp", "altair": "altair", "blendmodes": "blendmodes", "cleanfid": "clean-fid", "clip": "clip-anytorch",
    "diskcache": "diskcache", "facexlib": "facexlib", "ffmpy": "ffmpy", "ftfy": "ftfy", "git": "GitPython", "imageio": "imageio", "inflection": "inflection",
    "jsonmerge": "jsonmerge", "jsonschema": "jsonschema", "kornia": "kornia", "lark": "lark", "networkx": "networkx", "numba": "numba", "omegaconf": "omegaconf", "pandas": "pandas",
    "pkg_resources": "setuptools<81",       # later ones are without it; extensions' install.py look with it for what is installed
    "pydub": "pydub", "pytorch_lightning": "pytorch-lightning", "regex": "regex", "requests": "requests",
    "resize_right": "resize-right", "scipy": "scipy", "semantic_version": "semantic-version", "sentencepiece": "sentencepiece", "skimage": "scikit-image",
    "tifffile": "tifffile", "timm": "timm", "tomesd": "tomesd", "torchdiffeq": "torchdiffeq", "torchmetrics": "torchmetrics", "torchsde": "torchsde",
    "websockets": "websockets",
}  # fmt: skip
"""By the name that is imported: what pip calls it. What the web UI itself needs, or stands in for, is not here."""
_TORCHVISION = re.compile(
    rb"^[ \t]*(?:from|import)[ \t]+(?:torchvision\.(?:ops|models|io|datasets|transforms\.v2)\b|segment_anything\b)|"
    rb"^[ \t]*from[ \t]+torchvision[ \t]+import[ \t][^\n]*\b(?:ops|models|io|datasets)\b|"
    rb"^[ \t]*from[ \t]+torchvision\.utils[ \t]+import[ \t][^\n]*\b(?:draw_|save_image|flow_to_image)", re.MULTILINE
)
"""What needs the real torchvision. Its other transforms are stood in for (a1111/torchvision_names.py); segment_anything imports it and does not ask pip for it."""
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([A-Za-z_]\w*)|import[ \t]+([A-Za-z_][\w., \t]*))", re.MULTILINE)
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "tests", "test", "docs"})
_LARGEST = 1 << 20  # bytes; a longer file is data


def wanted_by(folder: Path) -> tuple[str, ...]:
    """What is missing of what the extension in ``folder`` takes for granted, as pip calls it."""
    importlib.invalidate_caches()
    imported = {name for file in _files(folder) for name in _imports(file)} & (EXPECTED.keys() | {"torchvision"})
    imported |= {"pkg_resources"} if "clip" in imported and not _is_its_own(folder, "clip") else set()  # it imports that itself, and does not ask pip for it
    return tuple(EXPECTED.get(name, name) for name in sorted(imported) if not _is_its_own(folder, name) and importlib.util.find_spec(name) is None)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in _PASSED_OVER]
        yield from (Path(place, name) for name in names if name.endswith(".py"))


def _imports(file: Path) -> Iterator[str]:
    try:
        text = file.read_bytes() if file.stat().st_size <= _LARGEST else b""
    except OSError:
        return
    for source, listed in _IMPORT.findall(text):
        for each in [source] if source else listed.split(b","):
            if (name := each.strip().partition(b".")[0].partition(b" ")[0].decode("ascii", "ignore")) != "torchvision":
                yield name
    if _TORCHVISION.search(text):
        yield "torchvision"


def _is_its_own(folder: Path, name: str) -> bool:
    return any((place / name).exists() or (place / f"{name}.py").exists() for place in (folder, folder / "scripts"))
