"""Files that came from a Mac, whose disks may keep "é" as two letters: names are found by what people type, and by what older infotexts hold."""
from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from modules.library.catalogue import Catalogue
from modules.library.lookup import find
from modules.loading.hypernetwork import HypernetworkShelf
from modules.loading.lora import LoraShelf
from tests.library.test_catalogue import model, roots

TYPED = "Müller äé がぎ"
ON_DISK = normalize("NFD", TYPED)


@pytest.mark.parametrize("wanted", [TYPED, ON_DISK])
def test_a_name_is_found_in_whichever_letters(wanted: str, tmp_path: Path) -> None:
    assert ON_DISK != TYPED
    path = model(tmp_path / "models" / "Stable-diffusion" / ON_DISK / f"{ON_DISK}.safetensors")
    catalogue = Catalogue(roots(tmp_path))
    (file,) = catalogue.checkpoints()
    assert file.path == path and file.name == f"{TYPED}/{TYPED}.safetensors" and file.stem == TYPED
    for text in (wanted, f"{wanted}.safetensors", f"{wanted}/{wanted}.safetensors", str(path), wanted[1:4]):
        assert catalogue.find_checkpoint(text) is file
    assert find([file], wanted) is file
    assert LoraShelf(lambda: [file]).find(wanted) is file and HypernetworkShelf(lambda: [file]).find(wanted) is file
