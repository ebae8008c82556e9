"""A1111's hashes, small cache and loading of tensor files."""
from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.files.atomic import write_json
from modules.files.json_object import read_or_set_aside
from modules.files.storage import StorageError
from modules.library.hashes import old_hash

log = logging.getLogger(__name__)
_sections: dict[str, dict[str, Any]] = {}
_lock = threading.RLock()


def cache(subsection: str) -> dict[str, Any]:
    """A dict that ``dump_cache`` keeps over a restart; each extension uses sections of its own."""
    with _lock:
        if subsection not in _sections:
            _sections[subsection] = _section(_stored(), subsection)
        return _sections[subsection]


make_cache = cache


def _section(stored: dict[str, Any], name: str) -> dict[str, Any]:
    found = stored.get(name)
    return dict(found) if isinstance(found, dict) else {}


def dump_cache() -> None:
    """Write what ``cache`` gave out."""
    with _lock:
        merged = {**_stored(), **_sections}
        json.dumps(merged)  # what JSON cannot hold raises before the disk is touched
        write_json(_file(), merged)


def convert_old_cached_data() -> None:
    """There is no older form here."""


def cached_data_for_file(subsection: str, title: str, filename: str, func: Callable[[], Any]) -> Any:
    """``func()``, remembered for as long as the file stays as it is."""
    known, changed = cache(subsection), os.path.getmtime(filename)
    entry = known.get(title)
    if isinstance(entry, dict) and entry.get("mtime") == changed and "value" in entry:
        return entry["value"]
    value = func()
    if value is not None:
        known[title] = {"mtime": changed, "value": value}
        try:
            dump_cache()
        except StorageError as error:       # it is computed again after the next start
            log.warning("what an extension found out is not kept: %s", error)
    return value


def _file() -> Path:
    return current().paths.cache_dir / "extensions.json"


def _stored() -> dict[str, Any]:
    found, trouble = read_or_set_aside(_file(), instead="what extensions keep there is made anew")
    if trouble:
        log.warning("%s", trouble)
    return found


def calculate_sha256(filename: str) -> str:
    with open(filename, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known_file(filename: str) -> Any:
    catalogue = current().catalogue
    listed = (*catalogue.checkpoints(), *catalogue.vaes(), *catalogue.loras(), *catalogue.embeddings())
    return next((each for each in listed if os.path.realpath(each.path) == os.path.realpath(filename)), None)


def sha256_from_cache(filename: str, title: str, use_addnet_hash: bool = False) -> str | None:
    """The hash if it is known already."""
    if use_addnet_hash:
        entry = cache("hashes-addnet").get(title)
        fresh = isinstance(entry, dict) and os.path.isfile(filename) and entry.get("mtime") == os.path.getmtime(filename)
        return entry.get("sha256") if fresh and entry else None
    found = _known_file(filename) if is_occupied() else None
    if found is not None:
        return found.sha256
    entry = cache("hashes").get(title)
    fresh = isinstance(entry, dict) and os.path.isfile(filename) and entry.get("mtime") == os.path.getmtime(filename)
    return entry.get("sha256") if fresh and entry else None


def sha256(filename: str, title: str, use_addnet_hash: bool = False) -> str | None:
    """The hash; the first time for a file it takes seconds. None under --no-hashing."""
    known = sha256_from_cache(filename, title, use_addnet_hash)
    if known is not None:
        return known
    if current().flags.no_hashing:
        return None
    if use_addnet_hash:
        with open(filename, "rb") as file:
            value = addnet_hash_safetensors(file)
    else:
        found = _known_file(filename)
        value = current().catalogue.hash_of(found) if found is not None else calculate_sha256(filename)
    cache("hashes-addnet" if use_addnet_hash else "hashes")[title] = {"mtime": os.path.getmtime(filename), "sha256": value}
    dump_cache()
    return value


def addnet_hash_safetensors(b: Any) -> str:
    """kohya's hash: SHA-256 of what follows a safetensors header."""
    b.seek(0)
    size = int.from_bytes(b.read(8), "little")
    b.seek(8 + size)
    digest = hashlib.sha256()
    for block in iter(lambda: b.read(2**20), b""):
        digest.update(block)
    return digest.hexdigest()


def partial_hash_from_cache(filename: str, *, ignore_cache: bool = False, digits: int = 8) -> str:
    return (old_hash(Path(filename)) or "NOFILE")[:digits]


def load(filename: Any, *arguments: Any, **keywords: Any) -> Any:
    """torch.load of tensors only; code in the file is refused."""
    import torch

    keywords.setdefault("map_location", "cpu")
    return torch.load(filename, *arguments, **{**keywords, "weights_only": True})


def load_with_extra(filename: Any, extra_handler: Any = None, *arguments: Any, **keywords: Any) -> Any:
    return load(filename, *arguments, **keywords)


unsafe_torch_load = load


def check_zip_filenames(filename: str, names: Any) -> None:
    """torch checks the file itself."""


def check_pt(filename: str, extra_handler: Any) -> None:
    """torch checks the file itself."""


@contextmanager
def Extra(handler: Any) -> Iterator[None]:
    """A1111 let more classes through here; torch decides that now."""
    yield
