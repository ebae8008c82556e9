"""Extensions' files of one kind (scripts/*.py, javascript/*.js): which there are, in A1111's order, and how scripts are executed under A1111's names for them."""
from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from modules.extension_host.discover import LOOSE, Extension, FileOrder
from modules.extension_host.host import ExtensionHost
from modules.extension_host.limits import SECONDS, limited
from modules.extension_host.registry import sorted_by_need
from modules.files.names import is_macs_note


@dataclass(frozen=True, kw_only=True)
class ScriptFile:
    """One file of an extension, or of the folder for single files. name: "owner/file.py", as metadata.ini calls it. basedir: the extension's folder."""

    basedir: Path
    filename: str
    path: Path
    owner: str
    name: str


A1111S_OWN = frozenset(
    f"{name}.py"
    for name in (
        "custom_code", "img2imgalt", "loopback", "outpainting_mk_2", "poor_mans_outpainting", "postprocessing_caption", "postprocessing_codeformer",
        "postprocessing_create_flipped_copies", "postprocessing_focal_crop", "postprocessing_gfpgan", "postprocessing_split_oversized",
        "postprocessing_upscale", "processing_autosized_crop", "prompt_matrix", "prompts_from_file", "sd_upscale", "xy_grid", "xyz_grid",
    )
)  # fmt: skip
"""What lies in A1111's own folder ``scripts``, which a data folder that was A1111's brings along: the program has its own of each."""
A1111S_OWN_ON_THE_PAGE = frozenset(
    f"{name}.js"
    for name in (
        "aspectRatioOverlay", "contextMenus", "dragdrop", "edit-attention", "edit-order", "extensions", "extraNetworks", "generationParams", "hints", "hires_fix",
        "imageMaskFix", "imageParams", "images_history", "imageviewer", "imageviewerGamepad", "inputAccordion", "localStorage", "localization", "notification",
        "profilerVisualization", "progressbar", "resizeHandle", "settings", "textualInversion", "token-counters", "ui", "ui_settings_hints",
    )
)  # fmt: skip
"""The same of its folder ``javascript``."""
OURS = A1111S_OWN | {"canvas-zoom-and-pan", "extra-options-section", "hypertile", "ldsr", "lora", "mobile", "postprocessing-for-training", "prompt-bracket-checker",
                     "scunet", "soft-inpainting", "swinir"}
"""What A1111 brings along and metadata.ini may require: the program has it too, though not as an extension."""


def list_scripts(host: ExtensionHost, folder: str, suffix: str) -> tuple[ScriptFile, ...]:
    """The files ``folder``/*``suffix`` that belong to no extension and those of all extensions that are switched on, in the order of their load.

    Of one whose requirements are not there that is noted; it is loaded all the same, as in A1111.
    """
    found = [one for each in host.loose if each.is_enabled and each.path.name == folder for one in _files_of(each.path, each.path.parent, each.canonical_name, suffix)]
    found = [each for each in found if each.filename not in A1111S_OWN | A1111S_OWN_ON_THE_PAGE]
    present = {each.canonical_name for each in host.enabled}
    for extension in host.enabled:
        missing = sorted(each for each in extension.requires if not (present | OURS) & {*each.split("|")})
        if missing:
            host.troubles.note(extension.canonical_name, "metadata.ini", f"it needs the extension {_listed(missing)}, which is not here or switched off")
        found += _files_of(extension.path / folder, extension.path, extension.canonical_name, suffix)
    return _in_order(found, {each.canonical_name: each for each in host.enabled}, folder, host)


def changed_scripts(host: ExtensionHost) -> tuple[tuple[ScriptFile, ...], tuple[Path, ...]]:
    """(the files to execute, those whose former work is over): what came, was changed or went since it was last executed.

    Where a file of an extension is among them all its files are, for they hold on to each other's objects; single files go by themselves.
    """
    loose, newcomers = host.find_loose(), host.find_newcomers()
    if newcomers or loose != host.loose:
        host.take((*host.extensions, *newcomers), loose)
    present = list_scripts(host, LOOSE, ".py")
    changed = {each.path for each in present if host.executed.get(each.path) != _changed(each.path)} | (host.executed.keys() - {each.path for each in present})
    homes = {each.path for each in host.loose}
    owners = {host.owner_of(path) for path in changed if path.parent not in homes}

    def concerned(path: Path) -> bool:
        return path in changed or (path.parent not in homes and host.owner_of(path) in owners)

    return tuple(each for each in present if concerned(each.path)), tuple(path for path in host.executed if concerned(path))


def _changed(path: Path) -> int:
    """When, in nanoseconds; 0 where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(each.replace("|", " or ") for each in names)


def _files_of(folder: Path, base: Path, owner: str, suffix: str) -> list[ScriptFile]:
    try:
        paths = sorted(each for each in folder.iterdir() if each.suffix.lower() == suffix and each.is_file() and not is_macs_note(each.name))
    except OSError:
        return []
    return [ScriptFile(basedir=base, filename=each.name, path=each, owner=owner, name=f"{owner}/{each.name}") for each in paths]


def _in_order(files: Sequence[ScriptFile], extensions: dict[str, Extension], folder: str, host: ExtensionHost) -> tuple[ScriptFile, ...]:
    by_name = {each.name.lower(): each for each in files}
    of_owner: dict[str, list[str]] = {}
    for name, each in by_name.items():
        of_owner.setdefault(each.owner, []).append(name)

    def named(names: Sequence[str]) -> list[str]:
        parts = [part for name in names for part in name.split("|")]
        return [one for part in parts for one in ([part] if part in by_name else of_owner.get(part, []))]

    after: dict[str, list[str]] = {}
    for name, each in by_name.items():
        for order in _orders(extensions.get(each.owner), f"{folder}/{each.filename}".lower(), folder):
            absent = [one for one in order.requires if not named([one]) and not OURS & {*one.split("|")}]
            if absent:
                host.troubles.note(each.owner, f"{folder}/{each.filename}", f"it needs {_listed(absent)}, which is not here")
            after.setdefault(name, []).extend(named(order.after))
            for later in named(order.before):
                after.setdefault(later, []).append(name)
    return tuple(by_name[name] for name in sorted_by_need(list(by_name), after))


def _orders(extension: Extension | None, path: str, folder: str) -> list[FileOrder]:
    if extension is None:
        return []
    return [order for name in (folder, path) if (order := extension.file_order.get(name))]


def load_scripts(host: ExtensionHost, files: Sequence[ScriptFile], take: Callable[[ScriptFile, ModuleType], None], *, seconds: float = SECONDS) -> None:
    """Execute each and hand its module to ``take``. One that fails, ends the program or never ends is noted and left out."""
    for each in files:
        began = time.perf_counter()
        place = f"{each.path.parent.name}/{each.filename}"
        host.entering(each.owner)
        if host.owning(each.path):      # not the program's own, which are read again by "Reload custom script bodies"
            host.executed[each.path] = _changed(each.path)
        with host.guarded(each.owner, place):
            module = limited(lambda each=each: _loaded(host, each), what=f"{each.owner} {place}", seconds=seconds)
            take(each, module)
            host.facts_of(each.owner).scripts.append(place)
        host.facts_of(each.owner).seconds += time.perf_counter() - began


def _loaded(host: ExtensionHost, each: ScriptFile) -> ModuleType:
    before = sys.path
    sys.path = [str(each.basedir), *before]
    try:
        with host.loading(each.basedir):
            return load_module(each.path)
    finally:
        sys.path = before


def load_module(path: str | Path) -> ModuleType:
    """The file executed as a module named like the file ("name.py"), as A1111 does it. Raises whatever it raises."""
    path = Path(path)
    spec = importlib.util.spec_from_file_location(path.name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.name] = module  # dataclasses and pydantic look up a class's module by its name
    spec.loader.exec_module(module)
    return module
