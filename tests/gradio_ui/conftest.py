"""A page built once, without browser or server; and what stands behind its buttons, over services with a fake engine."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from modules.application.app import App
    from modules.gradio_ui.build import Page
    from modules.gradio_ui.form import Form
    from modules.gradio_ui.submit import Submitter
    from tests.conftest import FakeEngine


@dataclass(frozen=True, kw_only=True)
class BuiltPage:
    """The page of an untouched installation. components: by elem_id, as the browser gets them."""

    app: App
    blocks: Page
    config: dict[str, Any]
    form: Form
    img2img: Form

    @property
    def components(self) -> dict[str, dict[str, Any]]:
        return {each["props"]["elem_id"]: each for each in self.config["components"] if each["props"].get("elem_id")}

    def values(self, **changed: Any) -> list[Any]:
        """What a click hands over: the page's values, some of them changed, by API name."""
        return [changed.get(field.name, getattr(field.component, "value", None)) for field in self.form.fields]


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltPage]:
    import gradio as gr

    from modules.application.build import build_app
    from modules.gradio_ui.build import build_ui
    from modules.gradio_ui.choices import ChoiceSources
    from modules.gradio_ui.generation_tab import build_generation_tab
    from modules.gradio_ui.img2img_tab import build_img2img_tab
    from modules.gradio_ui.shown_files import ShownFiles
    from modules.gradio_ui.ui_config import UiConfig
    from modules.schema.flags import parse_flags
    from modules.schema.table import TXT2IMG

    folder = tmp_path_factory.mktemp("page")
    app = build_app(parse_flags(["--data-dir", str(folder)], {}).flags)
    blocks = build_ui(app)
    with gr.Blocks():
        around = (ChoiceSources.of(app), UiConfig.read(app.paths.ui_config_file), ShownFiles((app.paths.outputs_dir,)))
        tab, img2img = build_generation_tab(app, TXT2IMG, *around), build_img2img_tab(app, *around)
    yield BuiltPage(app=app, blocks=blocks, config=dict(blocks.get_config_file()), form=tab.form, img2img=img2img.form)
    app.close()


@dataclass(frozen=True, kw_only=True)
class Behind:
    """One server's services, and the functions behind the buttons of txt2img."""

    app: App
    engine: FakeEngine
    submitter: Submitter

    def run(self, task_id: str, values: list[Any], overrides: list[str] | None = None) -> tuple[str, str]:
        """Click and wait until the job is over; the answer to the click."""
        answer = self.submitter.submit(task_id, overrides or [], *values)
        job = self.app.jobs.find(task_id)
        if job is not None:
            self.app.jobs.wait(job, 30)
        return answer


@pytest.fixture
def behind(make_app: Callable[..., App], fake_engine: FakeEngine, page: BuiltPage) -> Callable[..., Behind]:
    """A function (*flags) -> Behind; called twice it is the same data folder after a restart."""
    from modules.gradio_ui.shown_files import ShownFiles
    from modules.gradio_ui.submit import Submitter

    def make(*flags: str) -> Behind:
        app = make_app(*flags)
        files = ShownFiles((app.paths.outputs_dir,))
        return Behind(app=app, engine=fake_engine, submitter=Submitter(app=app, form=page.form, files=files))

    return make
