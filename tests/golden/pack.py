"""Pack A1111's golden cases into the small form that the tests read (see README.md); run by hand, never by a test.

    python -m tests.golden.pack SOURCE_FOLDER [SET_NAME]
Arrays are kept in full precision: equal ones are stored once, which saves more than rounding would.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
EXTRAS = ("input-*.png", "mask-*.png", "tiny-emb*", "tiny-lora.safetensors", "sd15-tiny.yaml", "make_checkpoints.py", "make_extras.py")
A1111_ANSWERS = ("openapi-a1111.json", "openapi-a1111-with-ui.json", "ui-elem-ids.json", "a1111-config-used.json")


def pack(source: Path, target: Path) -> None:
    """Write ``target``/cases.json, arrays.npz and images/ from the case folders of ``source``."""
    index = json.loads((source / "INDEX.json").read_text("utf-8"))
    (target / "images").mkdir(parents=True, exist_ok=True)
    pool: dict[str, np.ndarray] = {}
    cases = [_pack_case(source / entry["case"], entry, target, pool) for entry in index["cases"]]
    text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases) + "\n]\n"
    (target / "cases.json").write_text(text, "utf-8")
    np.savez_compressed(target / "arrays.npz", allow_pickle=False, **dict(sorted(pool.items())))


def _pack_case(folder: Path, entry: dict[str, Any], target: Path, pool: dict[str, np.ndarray]) -> dict[str, Any]:
    answer = json.loads((folder / "response_info.json").read_text("utf-8"))
    images = sorted(folder.glob("image-*.png"), key=lambda path: int(path.stem.split("-")[1]))
    for path in images:
        shutil.copyfile(path, target / "images" / f"{folder.name}{path.stem.removeprefix('image')}.png")
    return {
        "name": folder.name,
        "endpoint": entry["endpoint"],
        "checkpoint": entry["checkpoint"],
        "request": json.loads((folder / "request.json").read_text("utf-8")),
        "infotext": entry["infotext"] or "",
        "images": len(images),
        "info": answer.get("info"),
        "arrays": {path.stem: _pooled(path, pool) for path in sorted(folder.glob("*.npy"))},
    }


def _pooled(path: Path, pool: dict[str, np.ndarray]) -> str:
    array = np.load(path)
    key = hashlib.sha256(str((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()[:16]
    pool[key] = array
    return key


def copy_extras(source: Path) -> None:
    """Copy model side files and A1111's own answers (routes, OpenAPI, elem_ids) beside the cases."""
    models = HERE / "models"
    (models / "clip-tiny").mkdir(parents=True, exist_ok=True)
    for pattern in EXTRAS:
        for path in (source / "models").glob(pattern):
            shutil.copyfile(path, models / path.name)
    shutil.copyfile(source / "models/clip-tiny/config.json", models / "clip-tiny/config.json")
    shutil.copytree(source / "api", HERE / "a1111/api", dirs_exist_ok=True, copy_function=shutil.copyfile)
    for name in A1111_ANSWERS:
        shutil.copyfile(source / name, HERE / "a1111" / name)


if __name__ == "__main__":
    source_folder = Path(sys.argv[1])
    set_name = sys.argv[2] if len(sys.argv) > 2 else "sd15"
    pack(source_folder, HERE / set_name)
    if set_name == "sd15":
        copy_extras(source_folder)
