"""The lists of control models under the names by which the original keeps them: extensions read these dictionaries, after ``update_cn_models``."""

from __future__ import annotations

from modules.paths import models_path

from internal_controlnet import models

cn_models_dir = f"{models_path}/ControlNet"
cn_models: dict[str, str | None] = {}               # "name [8 hex digits]" -> path; "None" first
cn_models_names: dict[str, str] = {}                # the file's name, lower-cased and without ending -> "name [8 hex digits]"


def update_cn_models() -> None:
    """Looks into the folders anew."""
    files = models.model_files()
    cn_models.clear()
    cn_models.update({models.NONE: None, **{title: str(file.path) for title, file in files.items()}})
    cn_models_names.clear()
    cn_models_names.update({title.rpartition(" [")[0].lower(): title for title in files})


def select_control_type(control_type: str, *_: object) -> tuple[list[str], list[str], str, str]:
    """(preprocessors' labels, models, the first of each) of a control type."""
    return models.choices_of(control_type)
