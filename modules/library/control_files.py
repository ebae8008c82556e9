"""Control network files: ControlNets, T2I-Adapters and their like, under the names that the ControlNet extension made known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from modules.library.hashes import old_hash
from modules.library.model_file import ModelFile
from modules.library.roots import Place
from modules.library.scan import scan

CONTROL_SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin")
_HASH_OF_NOTHING = "e3b0c442"                       # of files that end before the part which is hashed


def control_files(folders: Iterable[Path]) -> dict[str, ModelFile]:
    """Title ("name [8 hex digits]") -> file, by title; of two with one title the first counts. Folders that are not there are passed over."""
    places = [Place(folder=folder, endings=CONTROL_SUFFIXES) for folder in dict.fromkeys(folders)]
    found: dict[str, ModelFile] = {}
    for file in scan(places):
        title = f"{file.path.stem} [{old_hash(file.path) or _HASH_OF_NOTHING}]"
        found.setdefault(title, ModelFile(path=file.path, name=file.name, kind="control", size=file.size, modified=file.modified))
    return dict(sorted(found.items()))


def lone_file(path: Path) -> ModelFile:
    """A file that stands in no list: what a unit needs beside its network."""
    found = path.stat()
    return ModelFile(path=path, name=path.name, kind="control", size=found.st_size, modified=found.st_mtime)


def find_control(titles: Sequence[str], asked: str) -> str | None:
    """The title that ``asked`` means: the title itself, then the name in any case, then the shortest title that contains it."""
    if asked in titles:
        return asked
    wanted = asked.strip().lower()
    if not wanted:
        return None
    named = [title for title in titles if title.rpartition(" [")[0].lower() == wanted]
    containing = named or [title for title in titles if wanted in title.lower()]
    return min(containing, key=len) if containing else None
