"""A1111's ``postprocessing`` and the runner of Extras' scripts, as extensions call them: work of the Extras tab on pictures at hand."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.postprocessing_scripts import PostprocessedImage, PostprocessingScripts, ScriptPostprocessing
from modules.a1111.script_controls import default_value
from modules.application import extras
from modules.application.extras import Source
from modules.application.generation import outcome_of
from modules.imaging.base64_codec import encode_image
from modules.schema.params_extras import ExtrasRequest

Result = tuple[list[Any], str, str]         # pictures, what was done as HTML, nothing
# A1111's script and argument -> our parameter
HOUSE: Mapping[str, Mapping[str, str]] = {
    "Upscale": {
        "upscale_enabled": "upscale_enabled", "upscale_mode": "resize_mode", "upscale_by": "upscaling_resize", "max_side_length": "upscale_max_side_length",
        "upscale_to_width": "upscaling_resize_w", "upscale_to_height": "upscaling_resize_h", "upscale_crop": "upscaling_crop",
        "upscaler_1_name": "upscaler_1", "upscaler_2_name": "upscaler_2", "upscaler_2_visibility": "extras_upscaler_2_visibility",
    },
    "GFPGAN": {"enable": "gfpgan_enabled", "gfpgan_visibility": "gfpgan_visibility"},
    "CodeFormer": {"enable": "codeformer_enabled", "codeformer_visibility": "codeformer_visibility", "codeformer_weight": "codeformer_weight"},
}  # fmt: skip
_OFF = {"upscale_enabled": False, "gfpgan_enabled": False, "codeformer_enabled": False}


class ScriptPostprocessingRunner:
    """Extras' operations: ours by A1111's names, and extensions' scripts. Their arguments are one flat list, or {script: {argument: value}}."""

    def __init__(self) -> None:
        self.ui_created = True

    @property
    def scripts(self) -> list[ScriptPostprocessing]:
        host = current().postprocessing.host if is_occupied() else None
        return list(host.scripts) if isinstance(host, PostprocessingScripts) else []

    def scripts_in_preferred_order(self) -> list[ScriptPostprocessing]:
        return sorted(self.scripts, key=lambda each: each.order)

    def places(self) -> list[tuple[str, str]]:
        """(script, argument) of each entry of the flat list."""
        ours = [(script, name) for script, names in HOUSE.items() for name in names]
        return ours + [(str(each.name), name) for each in self.scripts_in_preferred_order() for name in each.controls or {}]

    def create_args_for_run(self, scripts_args: Mapping[str, Mapping[str, Any]]) -> list[Any]:
        """The flat list; what is not named has the value that its control starts with, and what has none is off."""
        starts = {(str(each.name), name): default_value(control) for each in self.scripts for name, control in (each.controls or {}).items()}
        return [scripts_args.get(script, {}).get(name, starts.get((script, name))) for script, name in self.places()]

    def named(self, args: Sequence[Any]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for (script, name), value in zip(self.places(), args):
            found.setdefault(script, {})[name] = value
        return found

    def run(self, pp: PostprocessedImage, args: Sequence[Any]) -> None:
        """All of them on ``pp``: its picture is the result."""
        (result, *more), info, _ = _worked([Source(data=_encoded(pp.image))], self.named(args), save=False)
        pp.image, pp.extra_images = result, [*pp.extra_images, *more]
        pp.info.setdefault("postprocessing", info)

    def image_changed(self) -> None:
        for each in self.scripts:
            each.image_changed()


runner = ScriptPostprocessingRunner()


def run_postprocessing(
    extras_mode: int, image: Any, image_folder: Any, input_dir: str, output_dir: str, show_extras_results: bool, *args: Any, save_output: bool = True,
) -> Result:  # fmt: skip
    """extras_mode: 0 ``image``, 1 the files of ``image_folder``, 2 the pictures in ``input_dir``. args: the flat list. Raises WebuiError."""
    app = current()
    if extras_mode == 2:
        sources = extras.pictures_in(app, input_dir)
    elif extras_mode == 1:
        sources = [Source(data=_encoded(each)) if isinstance(each, Image.Image) else Source(name=Path(_path(each)).name, path=_path(each)) for each in image_folder or ()]
    else:
        sources = [Source(data=_encoded(image))] if image is not None else []
    folder = extras.folder_named(app, output_dir, "Output directory") if output_dir else None
    return _worked(sources, runner.named(args), save=save_output, folder=folder, show=bool(show_extras_results) or extras_mode != 2)


def run_postprocessing_webui(id_task: str, *args: Any, **keywords: Any) -> Result:
    """The page's: its first value is the task's id."""
    return run_postprocessing(*args, **keywords)


def run_extras(
    extras_mode: int, resize_mode: int, image: Any, image_folder: Any, input_dir: str, output_dir: str, show_extras_results: bool, gfpgan_visibility: float,
    codeformer_visibility: float, codeformer_weight: float, upscaling_resize: float, upscaling_resize_w: int, upscaling_resize_h: int, upscaling_crop: bool,
    extras_upscaler_1: str, extras_upscaler_2: str, extras_upscaler_2_visibility: float, upscale_first: bool, save_output: bool = True, max_side_length: int = 0,
) -> Result:  # fmt: skip
    """The old form, by position. Raises WebuiError."""
    args = runner.create_args_for_run({
        "Upscale": {
            "upscale_enabled": True, "upscale_mode": resize_mode, "upscale_by": upscaling_resize, "max_side_length": max_side_length,
            "upscale_to_width": upscaling_resize_w, "upscale_to_height": upscaling_resize_h, "upscale_crop": upscaling_crop,
            "upscaler_1_name": extras_upscaler_1, "upscaler_2_name": extras_upscaler_2, "upscaler_2_visibility": extras_upscaler_2_visibility,
        },
        "GFPGAN": {"enable": True, "gfpgan_visibility": gfpgan_visibility},
        "CodeFormer": {"enable": True, "codeformer_visibility": codeformer_visibility, "codeformer_weight": codeformer_weight},
    })  # fmt: skip
    return run_postprocessing(extras_mode, image, image_folder, input_dir, output_dir, show_extras_results, *args, save_output=save_output)


def _worked(sources: list[Source], named: Mapping[str, Mapping[str, Any]], *, save: bool, folder: Path | None = None, show: bool = True) -> Result:
    """A job of the Extras tab, waited for."""
    values: dict[str, Any] = dict(_OFF)
    for script, names in HOUSE.items():
        values |= {names[name]: value for name, value in named.get(script, {}).items() if name in names and value is not None}
    app = current()
    asked = ExtrasRequest.page_defaults().changed({**values, "show_extras_results": show})
    added = {script: dict(given) for script, given in named.items() if script not in HOUSE}
    outcome = outcome_of(app.jobs.wait(extras.submit(app, asked, sources, source="extension", save=save, folder=folder, added=added or None)))
    return [each.picture for each in outcome.shown], str(outcome.info.get("html_info", "")), ""


def _encoded(picture: Any) -> str:
    """A picture as base64 of a PNG, with the text that it carries."""
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(picture)
    return encode_image(picture, str(picture.info.get("parameters") or ""), "png")


def _path(file: Any) -> str:
    return str(getattr(file, "name", None) or (file.get("name") or file.get("path") if isinstance(file, dict) else file))
