"""What extensions find when they are loaded."""
from __future__ import annotations

from pathlib import Path

import pytest

from modules import shared
from modules.application.app import App
from tests.a1111.test_wildcards import with_extensions
from tests.conftest import FakeEngine


def test_the_folders_that_a1111_always_has_are_there(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Extensions list them without asking, also in a data folder that was begun just now."""
    app: App = next(running := with_extensions(tmp_path))
    folders = [tmp_path / "models" / name for name in ("Stable-diffusion", "VAE", "ESRGAN")]
    assert all(each.is_dir() for each in [*folders, Path(app.flags.lora_dir), Path(app.flags.hypernetwork_dir), Path(app.flags.embeddings_dir)])
    assert not app.extensions.troubles.found
    running.close()


def test_before_the_page_is_built_an_extension_makes_the_tab_s_scripts_and_finds_another_s(tmp_path: Path, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacer makes them so, to put ControlNet's units on its own tab."""
    script = tmp_path / "extensions" / "a-tab" / "scripts" / "a_tab.py"
    script.parent.mkdir(parents=True)
    script.write_text(
        "from modules import script_callbacks, scripts, shared\n"
        "def look():\n"
        "    scripts.scripts_img2img.initialize_scripts(is_img2img=True)\n"
        "    shared.found_before_ui = [each.title() for each in scripts.scripts_img2img.alwayson_scripts]\n"
        "script_callbacks.on_before_ui(look)\n"
    )
    monkeypatch.setattr(shared, "found_before_ui", [], raising=False)
    next(running := with_extensions(tmp_path))
    assert "Wildcards" in shared.found_before_ui
    running.close()
