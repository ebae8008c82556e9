"""Control models by the names that infotexts and API clients use."""

from __future__ import annotations

import os

from internal_controlnet.homes import homes
from internal_controlnet.preprocessors import control_types, of_type
from internal_controlnet.settings import setting
from modules import shared
from modules.a1111.control_units import find_control_file, known_control_files, misfit
from modules.library.control_files import find_control
from modules.library.model_file import ModelFile

NONE = "None"
_ALIASES = {
    "instructp2p": ("ip2p",), "segmentation": ("seg",), "normalmap": ("normal",), "t2i-adapter": ("t2i_adapter", "t2iadapter", "t2ia"),
    "ip-adapter": ("ip_adapter", "ipadapter"), "openpose": ("densepose",), "instant-id": ("instant_id", "instantid"), "scribble": ("sketch",), "tile": ("blur",),
}  # fmt: skip
_UNION = ("canny", "depth", "lineart", "mlsd", "normalmap", "openpose", "scribble", "segmentation", "softedge", "tile", "inpaint")


def more_folders() -> list[str]:
    """Beside models/ControlNet: the extension's own folders, the setting's, the flag's."""
    asked = (*(str(home / "models") for home in homes()), setting("control_net_models_path"), getattr(shared.cmd_opts, "controlnet_dir", None))
    return [each for each in asked if each and os.path.isdir(each)]


def model_files() -> dict[str, ModelFile]:
    """"name [8 hex digits]" -> file, by name. Looks into the folders anew."""
    return known_control_files(more_folders())


def model_titles() -> list[str]:
    """Those of ``model_files``."""
    return list(model_files())


def marked(titles: list[str], files: dict[str, ModelFile]) -> list[tuple[str, str]]:
    """(what the page shows, title) of each: a model that is of no use with the checkpoint in use says so."""
    found = []
    for title in titles:
        words = misfit(files[title]) if title in files else ""
        found.append((f"{title} \u2014 {words}" if words else title, title))
    return found


def model_file(asked: str) -> ModelFile:
    """Raises ControlModelUnknown."""
    return find_control_file(asked, more_folders())


def title_of_model(asked: str) -> str | None:
    return find_control(model_titles(), asked)


def choices_of(control_type: str, titles: list[str] | None = None) -> tuple[list[str], list[str], str, str]:
    """For a control type: the preprocessors' labels, the models, and which of each is offered first."""
    titles = model_titles() if titles is None else titles
    labels = [each.label for each in of_type(control_type)]
    if control_type == "All":
        return labels, [NONE, *titles], "none", NONE
    words = (control_type.lower(), *_ALIASES.get(control_type.lower(), ()), *(("union",) if control_type.lower() in _UNION else ()))
    fitting = [title for title in titles if any(word in title.lower() for word in words)]
    first = next((title for title in fitting if "11" in title.partition("[")[0]), fitting[0] if fitting else NONE)
    return labels, [NONE, *fitting], labels[1] if len(labels) > 1 else labels[0], first


def all_choices() -> dict[str, dict[str, object]]:
    titles = model_titles()
    names = ("module_list", "model_list", "default_option", "default_model")
    return {each: dict(zip(names, choices_of(each, titles))) for each in control_types()}
