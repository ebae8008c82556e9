"""The stand-in for torchvision: right where it is asked, and there for extensions' files alone."""
from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modules.a1111 import torchvision_names as names

PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8))


def test_pictures_become_tensors_and_back() -> None:
    tensor = names.to_tensor(PICTURE)
    assert tensor.shape == (3, 6, 9) and tensor.min() >= 0 and tensor.max() <= 1
    assert names.to_pil_image(tensor).tobytes() == PICTURE.tobytes()
    assert names.to_pil_image(names.pil_to_tensor(PICTURE)).tobytes() == PICTURE.tobytes()
    assert names.to_pil_image(torch.ones(1, 2, 2), mode="L").getpixel((0, 0)) == 255


def test_sizes_are_height_first_and_one_number_is_the_shorter_side() -> None:
    tensor = names.to_tensor(PICTURE)
    assert names.resize(tensor, [12, 18]).shape == (3, 12, 18) and names.resize(PICTURE, 12).size == (18, 12)
    assert names.TRANSFORMS["Resize"]((4, 4), interpolation=names.InterpolationMode("nearest"))(tensor[None]).shape == (1, 3, 4, 4)
    assert names.TRANSFORMS["CenterCrop"](4)(PICTURE).size == (4, 4) and names.pad(PICTURE, (1, 2)).size == (11, 10)


def test_blurring_and_normalising_do_what_they_say() -> None:
    flat = torch.full((3, 8, 8), 0.25)
    assert torch.allclose(names.gaussian_blur(flat, 5, 1.0), flat) and torch.allclose(names.normalize(flat, [0.25] * 3, [0.5] * 3), torch.zeros(3, 8, 8))
    steps = names.Compose([names.TRANSFORMS["ToTensor"](), names.TRANSFORMS["Normalize"](mean=[0.5] * 3, std=[0.5] * 3)])
    assert torch.allclose(steps(PICTURE), names.to_tensor(PICTURE) * 2 - 1)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="the real torchvision is installed, so the stand-in is not used")
def test_it_is_there_for_extensions_alone(tmp_path: Path) -> None:
    """In a process of its own: what transformers found out about torchvision lasts as long as the process."""
    own = tmp_path / "extensions" / "mine" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text("from torchvision import transforms\nfrom torchvision.transforms.functional import to_pil_image\nimport torchvision.transforms as T\nresult = T.Resize", encoding="utf-8")
    asking = tmp_path / "packages" / "torchmetrics" / "utilities" / "imports.py"
    asking.parent.mkdir(parents=True)
    for folder in (asking.parent, asking.parents[1]):
        (folder / "__init__.py").touch()
    asking.write_text(  # asks when it is first looked at, as the real one does
        "from importlib.util import find_spec\nclass Asked:\n    found = None\n    def __bool__(self):\n"
        "        self.found = find_spec('torchvision') is not None if self.found is None else self.found\n        return self.found\n"
        "_TORCHVISION_AVAILABLE = Asked()", encoding="utf-8")  # fmt: skip
    code = f"""
import importlib.util, runpy, sys
sys.path.insert(0, {str(tmp_path / "packages")!r})
from modules.a1111 import app_slot, foreign_packages
from modules.application.build import build_app
from modules.extension_host.start import host_for
from modules.schema.flags import parse_flags
flags = parse_flags(["--data-dir", {str(tmp_path)!r}], {{}}).flags
app = build_app(flags, host_for(flags), start=False)
app_slot.occupy(app)
foreign_packages.install()
try:
    import torchvision
    raise SystemExit("found by a stranger")
except ModuleNotFoundError:
    pass
assert importlib.util.find_spec("torchvision") is None
assert runpy.run_path({str(own)!r})["result"].__name__ == "Resize"
assert "transformers" not in sys.modules    # two seconds of a start that may need no model
from transformers.utils import is_torchvision_available
assert not is_torchvision_available()
from torchmetrics.utilities.imports import _TORCHVISION_AVAILABLE
assert not _TORCHVISION_AVAILABLE
from transformers import CLIPTextModel
assert app.extensions.facts_of("mine").stood_in == {{"torchvision"}}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
