"""Our scripts share one page and no modules: what one file defines, no other may define again."""
from __future__ import annotations

import re
from collections import defaultdict

from modules.gradio_ui.static_files import SCRIPTS, STATIC

DEFINES = (
    re.compile(r"^(webui(?:\.\w+)+) = ", re.MULTILINE),
    re.compile(r"^(?:async )?function (\w+)", re.MULTILINE),
    re.compile(r"^(?:var|let|const|class) (\w+)", re.MULTILINE),
)


def definitions() -> dict[str, list[str]]:
    """File names by what they define at their top level."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in SCRIPTS:
        text = (STATIC / name).read_text(encoding="utf-8")
        for pattern in DEFINES:
            for each in pattern.findall(text):
                found[each].append(name)
    return found


def test_no_name_is_defined_twice() -> None:
    found = definitions()
    assert len(found) > 300 and "webui.setField" in found and "gradioApp" in found
    assert {name: files for name, files in found.items() if len(files) > 1} == {}
