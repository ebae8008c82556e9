"""How many of the names that 90 known extensions use are real here: ``python -m tests.facade_coverage [--list]``.

tests/facade/symbols.json holds the names and how many of those extensions use each (counted by static analysis).
"""
from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SYMBOLS = Path(__file__).parent / "facade" / "symbols.json"
NOT_A1111S = {  # counted, but not names of A1111 1.10.1: extensions ask for them to find out in which program they are
    "modules.devices.backend": "SD.Next's", "modules.intel.openvino": "SD.Next's", "modules.shared.native": "SD.Next's", "modules.shared.get_version": "SD.Next's",
    "modules.shared.restart_server": "SD.Next's", "modules.postprocess": "SD.Next's", "modules.ui.ui_system_tabs": "SD.Next's", "modules.paths.extensions_builtindir": "a misspelling",
    "modules.images.append": "a list of that name",
}  # fmt: skip


def symbols() -> dict[str, int]:
    """Name -> number of extensions."""
    found = json.loads(SYMBOLS.read_text(encoding="utf-8"))
    return {name: count for name, count in found.items() if name not in NOT_A1111S}


def kind_of(name: str) -> str:
    """ "real", "stubbed" or "missing"."""
    from modules.a1111.stubs import is_stub

    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        try:
            for part in parts[length:]:
                found = getattr(found, part)
        except AttributeError:
            return "missing"
        return "stubbed" if is_stub(found) else "real"
    return "missing"


def coverage() -> dict[str, str]:
    """Name -> kind. A server's services must stand in the slot."""
    from modules.a1111 import foreign_packages

    foreign_packages.install()
    return {name: kind_of(name) for name in symbols()}


@contextmanager
def services() -> Iterator[None]:
    """A server that serves nothing, over an empty folder."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from modules.a1111 import app_slot
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    with tempfile.TemporaryDirectory() as folder:
        app = build_app(parse_flags(["--data-dir", folder], {}).flags)
        try:
            with app_slot.occupied(app):
                yield
        finally:
            app.close()


def main(arguments: list[str]) -> int:
    counts = symbols()
    with services():
        kinds = coverage()
    for title, wanted in (("all names", 1), ("names used by two or more extensions", 2)):
        found = Counter(kind for name, kind in kinds.items() if counts[name] >= wanted)
        total = sum(found.values())
        print(f"{title}: {total}; " + ", ".join(f"{kind} {found[kind]} ({100 * found[kind] / total:.1f} %)" for kind in ("real", "stubbed", "missing")))
    if "--list" in arguments:
        for name, kind in sorted(kinds.items(), key=lambda each: (each[1], -counts[each[0]])):
            if kind != "real":
                print(f"{kind:8} {counts[name]:3} {name}")
    return 1 if "missing" in kinds.values() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
