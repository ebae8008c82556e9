"""Pack the original ControlNet extension's golden cases into the small form that the tests read; run by hand, never by a test.

    python -m tests.golden_cn.pack SOURCE_FOLDER
Pictures inside requests are stored once each, under their hash; equal answers too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMAGE = "@"
_SHORTEST = 200                                     # characters; a text as long as this in a request is a picture
API = ("control_types", "module_list", "module_list_alias", "version", "settings", "model_list", "ui-controlnet-components")


def pack(source: Path) -> None:
    """Write cases.json, detect.json, api/ and images/."""
    pictures = HERE / "images"
    pictures.mkdir(exist_ok=True)
    index = json.loads((source / "INDEX.json").read_text("utf-8"))
    rows = [_case(source, entry, pictures) for entry in index["cases"]]
    _write(HERE / "cases.json", rows)
    _write(HERE / "detect.json", [_detect(source, entry, pictures) for entry in json.loads((source / "detect/INDEX.json").read_text("utf-8"))["cases"] if isinstance(entry["request"], dict)])
    (HERE / "api").mkdir(exist_ok=True)
    for name in API:
        shutil.copyfile(source / f"api/{name}.json", HERE / f"api/{name}.json")
    _write(HERE / "poses.json", [_pose(path, source, pictures) for path in sorted((source / "api").glob("render_openpose_json-*.json"))])


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows) + "\n]\n", "utf-8")


def _case(source: Path, entry: dict[str, Any], pictures: Path) -> dict[str, Any]:
    folder = source / entry["case"]
    found = sorted(folder.glob("image-*.png"), key=lambda path: int(path.stem.split("-")[1]))
    return {
        "name": entry["case"], "endpoint": entry["endpoint"], "status": entry["status"], "infotext": entry.get("infotext") or "",
        "request": _pooled(json.loads((folder / "request.json").read_text("utf-8")), pictures),
        "images": [_kept(path.read_bytes(), pictures) for path in found],
    }  # fmt: skip


def _detect(source: Path, entry: dict[str, Any], pictures: Path) -> dict[str, Any]:
    request = dict(entry["request"])
    for key in ("controlnet_input_images", "controlnet_masks"):
        if isinstance(request.get(key), list):
            request[key] = [_input(source, name, pictures) for name in request[key]]
    outputs = [_kept((source / "detect" / output["file"]).read_bytes(), pictures) for output in entry.get("outputs") or ()]
    return {"name": entry["case"], "status": entry["status"], "request": request, "detail": _detail(entry.get("body")), "images": outputs}


def _detail(body: Any) -> Any:
    return body.get("detail") if isinstance(body, dict) else None


def _input(source: Path, name: str, pictures: Path) -> str:
    path = source / "inputs" / name
    return IMAGE + _kept(path.read_bytes(), pictures) if path.is_file() else name


def _pose(path: Path, source: Path, pictures: Path) -> dict[str, Any]:
    stored = json.loads(path.read_text("utf-8"))
    body = stored["body"]
    files = [name.strip("<>") for name in body.get("images", ())] if isinstance(body, dict) else []
    images = [_kept((source / "api" / name).read_bytes(), pictures) for name in files]
    return {"name": path.stem, "request": stored["request"], "status": stored["status"], "info": body.get("info"), "images": images}


def _pooled(value: Any, pictures: Path) -> Any:
    if isinstance(value, dict):
        return {key: _pooled(each, pictures) for key, each in value.items()}
    if isinstance(value, list):
        return [_pooled(each, pictures) for each in value]
    if isinstance(value, str) and len(value) >= _SHORTEST and " " not in value:
        start, _, body = value.rpartition(",")
        return start + IMAGE + _kept(base64.b64decode(body), pictures)
    return value


def _kept(data: bytes, pictures: Path) -> str:
    key = hashlib.sha256(data).hexdigest()[:16]
    (pictures / f"{key}.png").write_bytes(data)
    return key


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
