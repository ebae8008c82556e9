"""One server for all of these tests: the page, the API and extensions as ``webui.py`` builds them, behind a password, over a fake engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import served
from tests.security.wire import Wire

if TYPE_CHECKING:
    from modules.application.app import App
    from modules.compute.policy import ComputePolicy
    from tests.conftest import FakeEngine

USER, PASSWORD = "ann", "correct-horse-battery"
SECRET = "OUTSIDE-THE-WALLS"        # what stands in every file that must not be seen
EXTENSION = """
from fastapi import FastAPI, Response
from modules import script_callbacks

def add(demo, app: FastAPI):
    @app.get("/visitor/read")
    def read(): return {"ok": True}
    @app.post("/visitor/act")
    def act():
        app.state.visitor_acted = True
        return {"ok": True}
    app.mount("/visitor/mounted", FastAPI())

script_callbacks.on_app_started(add)
"""


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """The server. wire: knows the password. folder: its data folder, in which files with SECRET lie about."""

    url: str
    app: App
    server_app: Any
    engine: FakeEngine
    folder: Path
    wire: Wire

    def stranger(self) -> Wire:
        return Wire(url=self.url)


def quick(engine: FakeEngine) -> Any:
    """``engine.generate``, which draws a few small pictures whatever is asked for."""
    from dataclasses import replace

    def generate(request: Any, *arguments: Any, **more: Any) -> Any:
        small = {name: min(getattr(request, name), most) for name, most in (("width", 64), ("height", 64), ("steps", 2), ("batch_size", 2), ("batch_count", 2)) if hasattr(request, name)}
        return engine.generate(replace(request, **small), *arguments, **more)

    return generate


@pytest.fixture(scope="package")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """While it lives every server of this process draws with the fake engine, and A1111's names speak for this one."""
    import torch

    import webui
    from modules.a1111 import app_slot
    from modules.application import generation
    from modules.launching.startup_times import StartupTimes
    from tests.conftest import FakeEngine

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("attacked")
    furnish(folder)
    engine = FakeEngine()
    before = list(app_slot._slot)
    app_slot._slot.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "generate", quick(engine))
        patch.setattr(generation, "load_checkpoint", engine.load)
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "tmp" / "gradio"))
        parsed, extensions = webui.read_command_line(["--data-dir", str(folder), "--api", "--gradio-auth", f"{USER}:{PASSWORD}", "--api-server-stop"])
        app, server_app = webui.build(parsed, StartupTimes(), extensions)
        try:
            with served(server_app, log_level="critical") as url:
                wire = Wire(url=url, auth=f"{USER}:{PASSWORD}")
                yield Attacked(url=url, app=app, server_app=server_app, engine=engine, folder=folder, wire=wire)
                wire.close()
        finally:
            app.close()
            app_slot._slot[:] = before


@pytest.fixture(scope="package")
def policy() -> ComputePolicy:
    from modules.compute.policy import policy_from_flags
    from modules.schema.flags import Flags
    from tests.loading.conftest import CPU

    return policy_from_flags(Flags(), CPU)


def furnish(folder: Path) -> None:
    """A data folder as a user has it, with secrets in every place that somebody might try to read; links lead out of it."""
    outside = folder.with_name(folder.name + "-outside")
    outside.mkdir()
    for name in ("secret.png", "secret.txt", "a.js", "passwd"):
        (outside / name).write_text(SECRET)
    for place in ("config.json.bak", "ui-config.json", "params.txt", ".env", "cache/private.sqlite3", "extensions/visitor/.git/config", "extensions/visitor/secret.py",
                  "extensions/visitor/config.json", "models/Stable-diffusion/real.safetensors", "models/Lora/card.txt", "outputs/.hidden.png", "styles.csv",
                  "outputs/model.safetensors", "outputs/code.py", "cache/thumbnails/x.txt", "tmp/gradio/../note.key"):  # fmt: skip
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    (folder / "models" / "Stable-diffusion" / "real.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}" + SECRET.encode())
    (folder / "outputs" / "link.png").symlink_to(outside / "secret.png")
    (folder / "outputs" / "way").symlink_to(outside)
    (folder / "extensions" / "visitor" / "scripts").mkdir()
    (folder / "extensions" / "visitor" / "scripts" / "visitor.py").write_text(EXTENSION)
    (folder / "extensions" / "visitor" / "out").symlink_to(outside)
    (folder / "models" / "Lora" / "out").symlink_to(outside)
