"""The buttons that describe a picture. There is no model for it: they say so, and where A1111 keeps its own."""

from __future__ import annotations

from dataclasses import dataclass

from modules.application.app import App
from modules.gradio_ui.components import bridge_text, tool_button
from modules.gradio_ui.events import QUICK


@dataclass(frozen=True)
class Interrogator:
    """One button. model: the file that A1111 reads, below the models folder."""

    elem_id: str
    icon: str
    name: str
    model: tuple[str, str]


INTERROGATORS = (
    Interrogator("interrogate", "📎", "Interrogate CLIP", ("BLIP", "model_base_caption_capfilt_large.pth")),
    Interrogator("deepbooru", "📦", "Interrogate DeepBooru", ("torch_deepdanbooru", "model-resnet_custom_v3.pt")),
)


def build_interrogate_buttons(app: App) -> None:
    """The buttons, inside the current block."""
    said = bridge_text("interrogate_answer")
    for each in INTERROGATORS:
        button = tool_button(each.icon, each.elem_id)
        told = button.click(lambda each=each: missing_model(app, each), outputs=[said], **QUICK)
        told.then(None, inputs=[said], js="(words) => { webui.toast(words, 'error'); }", **QUICK)


def missing_model(app: App, interrogator: Interrogator) -> str:
    """Why a picture is not described."""
    folder, file = interrogator.model
    path = app.paths.models_dir / folder / file
    state = "it is there" if path.is_file() else "it is not there"
    return f"{interrogator.name}: this program does not read the model that describes pictures, {file} in {path.parent} ({state}). Write the prompt yourself."
