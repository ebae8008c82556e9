"""A1111's ``img2img.process_batch``: one ``p`` drawn once for each picture of a folder, within the job that calls it.

The house's own batches are jobs that go on after a crash; a whole one comes here where an extension replaced the function.
"""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image, ImageOps

from modules.a1111.app_slot import current
from modules.a1111.patch_points import looked_up
from modules.a1111.process_images import process_images
from modules.a1111.processed import Processed
from modules.a1111.state import state
from modules.application.img2img_batch import BatchOrder, pictures_of
from modules.imaging.metadata import read_infotext_from
from modules.schema.errors import InvalidValue
from modules.schema.infotext_read import read_infotext

_FIELDS = {"Prompt": "prompt", "Negative prompt": "negative_prompt", "Seed": "seed", "CFG scale": "cfg_scale", "Sampler": "sampler_name", "Steps": "steps"}


def process_batch(
    p: Any, input: Any, output_dir: str, inpaint_mask_dir: str, args: Any, to_scale: bool = False, scale_by: float = 1.0, use_png_info: bool = False,
    png_info_props: Any = None, png_info_dir: str | None = None,
) -> Any:  # fmt: skip
    """What the last runs gave, all their pictures in it; None where there was no picture.

    input: a folder, or files. Masks have their picture's name, or there is one for all. Where a script is chosen in ``args`` it is run for each.
    Raises InvalidValue for an output folder that is none for pictures.
    """
    app = current()
    if output_dir and app.paths.is_code_folder(Path(output_dir)):
        raise InvalidValue(f"{output_dir} is a folder of programs: pictures are not written there.", "Choose another output directory.", field="init_images")
    files = pictures_of(Path(input)) if isinstance(input, str) else tuple(str(getattr(each, "name", each)) for each in input)
    masks = {Path(each).stem: each for each in pictures_of(Path(inpaint_mask_dir))} if inpaint_mask_dir else {}
    own, found = {name: getattr(p, name) for name in _FIELDS.values()}, None
    if output_dir:
        p.outpath_samples = output_dir
        p.override_settings["save_to_dirs"] = False
    state.job_count = len(files) * p.n_iter
    for number, file in enumerate(files):
        if state.interrupted or state.stopping_generation:
            break
        state.job = f"{number + 1} out of {len(files)}"
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened).copy()
        if to_scale:
            p.width, p.height = int(picture.width * scale_by), int(picture.height * scale_by)
        p.init_images = [picture] * p.batch_size
        mask = masks.get(Path(file).stem) or (next(iter(masks.values())) if len(masks) == 1 else None)
        if mask:
            with Image.open(mask) as opened:
                p.image_mask = opened.copy()
        if use_png_info:
            _take(p, own, Path(png_info_dir, Path(file).name) if png_info_dir else Path(file), png_info_props or ())
        made = (p.scripts.run(p, *args) if p.scripts is not None and args else None) or looked_up("modules.processing", "process_images", process_images)(p)
        if found is None:
            found = made
        else:
            found.images.extend(made.images)
            found.infotexts.extend(made.infotexts)
    return found


def is_replaced() -> bool:
    """Whether an extension put a function of its own in place of ``process_batch``."""
    return looked_up("modules.img2img", "process_batch", process_batch) is not process_batch


def batch_drawn(p: Any, order: BatchOrder) -> Any:
    """``order`` by the function that stands in A1111's ``img2img`` now, its Processed."""
    files = order.folder or [SimpleNamespace(name=each, orig_name=Path(each).name) for each in order.files]
    p.init_images = [None]
    made = looked_up("modules.img2img", "process_batch", process_batch)(
        p, files, order.output, order.mask_folder, p.script_args or (), to_scale=order.scale is not None, scale_by=order.scale or 1.0,
        use_png_info=bool(order.png_info), png_info_props=list(order.png_info), png_info_dir=order.png_info_folder)  # fmt: skip
    return made if made is not None else Processed(p, [], p.seed, "")


def _take(p: Any, own: dict[str, Any], file: Path, wanted: Any) -> None:
    """The values that ``file``'s own text gives, prompts after the page's; those of ``own`` where it says nothing."""
    with Image.open(file) as opened:
        values = read_infotext(read_infotext_from(opened)[0] or "")
    for label, name in _FIELDS.items():
        value = values.get(label) if label in wanted else None
        if value is not None and name in ("prompt", "negative_prompt"):
            value = f"{own[name]} {value}".strip()
        setattr(p, name, own[name] if value is None else type(own[name])(value))
