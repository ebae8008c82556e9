"""The house keeps its own rules (tests/floor_rules.py), and each rule does catch what it forbids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.floor_rules import A1111_NAMES, FLOOR_OF, FUNCTION_LINES, check_all, sources

ROOT = Path(__file__).resolve().parents[1]


def test_the_house_keeps_its_rules():
    found = check_all(sources(ROOT))
    assert not found, "\n" + "\n".join(str(each) for each in found)


def test_rooms_and_a1111_names_are_apart():
    assert not set(FLOOR_OF) & A1111_NAMES


LONG = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
BROKEN = {
    "upward": ({"modules/schema/a.py": "from modules.engine import generate"}, "only floors below"),
    "same floor": ({"modules/jobs/a.py": "import modules.imaging.save"}, "only floors below"),
    "inside a function": ({"modules/engine/a.py": "def f():\n    from modules.application.app import App"}, "only floors below"),
    "while type checking": ({"modules/library/a.py": "if TYPE_CHECKING:\n    from modules.loading import vae"}, "only floors below"),
    "relative": ({"modules/engine/a.py": "from ..application import app", "modules/application/app.py": ""}, "only floors below"),
    "by name": ({"modules/engine/a.py": "import_module('modules.application.app')"}, "only floors below"),
    "facade name": ({"modules/engine/a.py": "from modules import shared"}, "is no room"),
    "gradio": ({"modules/application/a.py": "import gradio as gr"}, "gradio is at home"),
    "fastapi": ({"modules/a1111/a.py": "from fastapi import FastAPI"}, "fastapi is at home"),
    "diffusers": ({"modules/rest_api/a.py": "import diffusers"}, "diffusers is at home"),
    "torch": ({"modules/library/a.py": "import torch.nn"}, "without torch"),
    "imaging": ({"modules/imaging/a.py": "import scipy"}, "numpy and PIL only"),
    "standard library": ({"modules/jobs/a.py": "import numpy"}, "standard library only"),
    "launch": ({"launch.py": "from modules.engine import generate"}, "before anything is installed"),
    "the wiring": ({"modules/rest_api/a.py": "import webui"}, "nothing in the house imports webui.py"),
    "room name": ({"modules/shared/a.py": ""}, "would hide A1111's module"),
    "unknown room": ({"modules/attic/a.py": ""}, "stands on no floor"),
    "global": ({"modules/engine/a.py": "def f():\n    global x\n    x = 1"}, "no global statement"),
    "long file": ({"modules/engine/a.py": "x = 1\n" * 401}, "401 lines"),
    "long function": ({"modules/engine/a.py": LONG}, "f has 81 lines"),
    "print": ({"modules/engine/a.py": "print(1)"}, "use logging"),
    "empty name": ({"modules/engine/utils.py": ""}, "says nothing"),
    "cycle": (
        {
            "modules/engine/a.py": "from modules.engine.b import x",
            "modules/engine/b.py": "from modules.engine import c",
            "modules/engine/c.py": "def f():\n    import modules.engine.a",
        },
        "import cycle: modules/engine/a.py -> modules/engine/b.py -> modules/engine/c.py -> modules/engine/a.py",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_found(case: str):
    files, sentence = BROKEN[case]
    found = [str(each) for each in check_all(files)]
    assert len(found) == 1, found
    assert sentence in found[0]


def test_what_is_allowed_is_not_found():
    files = {
        "modules/engine/a.py": "import torch, diffusers\nfrom modules.loading import vae\nfrom modules.engine.b import x",
        "modules/engine/b.py": "x = 1\n" * 400,
        "modules/imaging/a.py": "import numpy, PIL.Image\nfrom modules.files.atomic import write_bytes",
        "modules/gradio_ui/a.py": "import gradio, fastapi\nfrom modules.application.app import App",
        "modules/facade/shared.py": "import modules.shared_state\nfrom modules.a1111 import options\nimport gradio",
        "launch.py": "from modules.launching import prepare\ndef start():\n    import webui",
        "webui.py": "import uvicorn\nfrom modules.rest_api.build import add_api",
    }
    assert check_all(files) == []
