"""What extensions find when they are loaded."""
from __future__ import annotations

from pathlib import Path

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
