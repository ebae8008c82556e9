"""A1111's ``txt2img`` and ``img2img``: what a click on Generate calls there, with the fields of its tab by position. Here they make a job and wait for it."""
from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from modules.a1111.app_slot import current
from modules.a1111.from_request import from_request
from modules.a1111.infotext_names import create_override_settings_dict
from modules.a1111.processing import StableDiffusionProcessing
from modules.a1111.script_arguments import page_values, scripting_of
from modules.a1111.script_host import ScriptHost
from modules.a1111.script_runner import ScriptRunner
from modules.application import generation
from modules.application.extras import paragraph
from modules.application.img2img_batch import PNG_INFO_FIELDS, BatchOrder, named_folder, pictures_of, submit_batch
from modules.application.outcome import Outcome
from modules.imaging.drawings import colour_sketch, painted_mask
from modules.jobs.job import Job
from modules.schema.errors import InvalidValue
from modules.schema.request import Img2ImgRequest, Request, Txt2ImgRequest

Result = tuple[list[Any], str, str, str]    # pictures, facts as JSON, the first picture's text and the comments, both as HTML
IMG2IMG, SKETCH, INPAINT, INPAINT_SKETCH, INPAINT_UPLOAD, BATCH = range(6)
_HIRES = ("denoising_strength", "hr_scale", "hr_upscaler", "hr_second_pass_steps", "hr_resize_x", "hr_resize_y", "hr_checkpoint_name", "hr_sampler_name",
          "hr_scheduler", "hr_prompt", "hr_negative_prompt")  # fmt: skip
_CELL = 8       # pixels; the least side


def txt2img_create_processing(
    id_task: str, request: Any, prompt: str, negative_prompt: str, prompt_styles: Any, n_iter: int, batch_size: int, cfg_scale: float, height: int, width: int,
    enable_hr: bool, denoising_strength: float, hr_scale: float, hr_upscaler: str, hr_second_pass_steps: int, hr_resize_x: int, hr_resize_y: int,
    hr_checkpoint_name: str, hr_sampler_name: str, hr_scheduler: str, hr_prompt: str, hr_negative_prompt: str, override_settings_texts: Any, *args: Any,
    force_enable_hr: bool = False,
) -> StableDiffusionProcessing:  # fmt: skip
    """``p`` of a click on txt2img; extensions also read the names of the arguments here. args: the scripts' part."""
    return _processing(_txt2img_request(dict(locals())), request, args)


def img2img_create_processing(
    id_task: str, request: Any, mode: int, prompt: str, negative_prompt: str, prompt_styles: Any, init_img: Any, sketch: Any, init_img_with_mask: Any,
    inpaint_color_sketch: Any, inpaint_color_sketch_orig: Any, init_img_inpaint: Any, init_mask_inpaint: Any, mask_blur: int, mask_alpha: float,
    inpainting_fill: int, n_iter: int, batch_size: int, cfg_scale: float, image_cfg_scale: float, denoising_strength: float, selected_scale_tab: int,
    height: int, width: int, scale_by: float, resize_mode: int, inpaint_full_res: Any, inpaint_full_res_padding: int, inpainting_mask_invert: int,
    img2img_batch_input_dir: str, img2img_batch_output_dir: str, img2img_batch_inpaint_mask_dir: str, override_settings_texts: Any,
    img2img_batch_use_png_info: bool, img2img_batch_png_info_props: Any, img2img_batch_png_info_dir: str, img2img_batch_source_type: str,
    img2img_batch_upload: Any, *args: Any,
) -> StableDiffusionProcessing:  # fmt: skip
    """``p`` of a click on img2img, as above. Not for Batch, which is many."""
    return _processing(_img2img_request(dict(locals())), request, args)


def txt2img(id_task: str, request: Any, *args: Any) -> Result:
    """Draw, as a job called ``id_task``, and wait. Raises WebuiError."""
    named, scripts = _split(txt2img_create_processing, (id_task, request, *args))
    return _drawn(id_task, request, _txt2img_request(named), scripts)


def txt2img_upscale(id_task: str, request: Any, gallery: Any, gallery_index: int, generation_info: str, *args: Any) -> Result:
    """Hires fix, with the fields of the tab, on the prompt and seed of the gallery's picture ``gallery_index``."""
    named, scripts = _split(txt2img_create_processing, (id_task, request, *args))
    info = json.loads(generation_info or "{}")
    index = max(0, int(gallery_index) - int(info.get("index_of_first_image", 0)))
    asked = _txt2img_request({**named, "enable_hr": True})
    one = {name: listed[index] for name, listed in (("prompt", info.get("all_prompts")), ("negative_prompt", info.get("all_negative_prompts")),
                                                    ("seed", info.get("all_seeds")), ("subseed", info.get("all_subseeds"))) if listed and index < len(listed)}  # fmt: skip
    return _drawn(id_task, request, asked, scripts, {**one, "n_iter": 1, "batch_size": 1, "styles": ()})


def img2img(id_task: str, request: Any, *args: Any) -> Result:
    """Draw, as a job called ``id_task``, and wait. Raises WebuiError."""
    named, scripts = _split(img2img_create_processing, (id_task, request, *args))
    if int(named["mode"] or 0) == BATCH:
        return _batch_drawn(id_task, request, named, scripts)
    return _drawn(id_task, request, _img2img_request(named), scripts)


def _split(function: Any, given: Sequence[Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """A click's values by the names of ``function``'s arguments, and the scripts' part behind them."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    if len(given) < len(names):
        raise InvalidValue(f"A tab has {len(names)} values, {len(given)} were handed over.", "Hand over all of them, in A1111's order.")
    return dict(zip(names, given)), tuple(given[len(names) :])


# -- the request ------------------------------------------------------------------------------------------------------------


def _common(named: Mapping[str, Any], *more: str) -> dict[str, Any]:
    names = ("prompt", "negative_prompt", "n_iter", "batch_size", "cfg_scale", "height", "width", *more)
    overrides = create_override_settings_dict(named["override_settings_texts"])
    return {**{name: named[name] for name in names}, "styles": tuple(named["prompt_styles"] or ()), "override_settings": overrides}


def _txt2img_request(named: Mapping[str, Any]) -> Txt2ImgRequest:
    enlarges = bool(named["enable_hr"] or named.get("force_enable_hr"))
    return Txt2ImgRequest.page_defaults().changed({**_common(named, *(_HIRES if enlarges else ())), "enable_hr": enlarges})


def _img2img_request(named: Mapping[str, Any]) -> Img2ImgRequest:
    asked = _common(named, "denoising_strength", "resize_mode", "mask_blur", "inpainting_fill", "inpaint_full_res_padding", "inpainting_mask_invert")
    asked |= {"inpaint_full_res": named["inpaint_full_res"] in (1, True, "Only masked"), "image_cfg_scale": named["image_cfg_scale"]}
    mode = int(named["mode"] or 0)
    if mode != BATCH:
        picture, mask = _start(mode, named)
        asked |= {"init_images": (picture,), "mask": mask}
        if int(named["selected_scale_tab"] or 0) == 1:
            asked["width"], asked["height"] = (max(_CELL, int(side * float(named["scale_by"]))) for side in picture.size)
    return Img2ImgRequest.page_defaults().changed(asked)


def _start(mode: int, named: Mapping[str, Any]) -> tuple[Image.Image, Image.Image | None]:
    """The picture to start from and the mask, by mode. Raises InvalidValue."""
    masked = named["init_img_with_mask"] or {}
    picture = {SKETCH: named["sketch"], INPAINT: masked.get("image"), INPAINT_SKETCH: named["inpaint_color_sketch"], INPAINT_UPLOAD: named["init_img_inpaint"]}
    start = picture.get(mode, named["init_img"])
    if start is None:
        raise InvalidValue("img2img needs a picture to start from, and there is none in the chosen mode.", "Put one in first.", field="init_images")
    if mode == INPAINT:
        return start, painted_mask(start, _as_drawing(masked.get("mask"), start.size))
    if mode == INPAINT_SKETCH:
        below = named["inpaint_color_sketch_orig"] or start
        drawn = start.convert("RGBA")
        drawn.putalpha(_differs(start, below))
        return colour_sketch(below, drawn, transparency=float(named["mask_alpha"] or 0), blur=float(named["mask_blur"] or 0))
    return start, named["init_mask_inpaint"] if mode == INPAINT_UPLOAD else None


def _as_drawing(mask: Image.Image | None, size: tuple[int, int]) -> Image.Image | None:
    """A mask that is white where something was painted, as the painting."""
    if mask is None:
        return None
    level = (mask.getchannel("A") if mask.mode == "RGBA" and mask.getchannel("A").getextrema() != (255, 255) else mask.convert("L")).resize(size)
    return Image.merge("RGBA", (level, level, level, level))


def _differs(one: Image.Image, other: Image.Image) -> Image.Image:
    """White where two pictures of one size differ."""
    bands = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).split()
    return ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2]).point([0, *[255] * 255])


# -- the job ----------------------------------------------------------------------------------------------------------------


def _runner(request: Request) -> ScriptRunner:
    host = current().scripts.host
    assert isinstance(host, ScriptHost)
    return host.with_ui(host.runner_of(request))


def _asked(request: Request, scripts: Sequence[Any]) -> Request:
    """``request`` with what the scripts' part of a click says: fields of the page that are scripts in A1111, and scripts proper."""
    runner = _runner(request)
    return request.changed({**page_values(runner, scripts), **scripting_of(runner, scripts, with_page=True)}) if scripts else request


def _processing(request: Request, asking: Any, scripts: Sequence[Any]) -> StableDiffusionProcessing:
    p = from_request(_asked(request, scripts))
    p.user = _user(asking)
    p.scripts, p.script_args = _runner(request), tuple(scripts)
    return p


def _user(request: Any) -> str:
    return str(getattr(request, "username", None) or "")


def _drawn(id_task: str, asking: Any, request: Request, scripts: Sequence[Any], more: Mapping[str, Any] | None = None) -> Result:
    asked = _asked(request, scripts).changed(more or {})
    return _shown(generation.submit(current(), asked, source="extension", task_id=id_task or None, user=_user(asking)))


def _batch_drawn(id_task: str, asking: Any, named: Mapping[str, Any], scripts: Sequence[Any]) -> Result:
    app = current()

    def folder(name: str, label: str) -> Path | None:
        text = str(named[f"img2img_batch_{name}"] or "").strip()
        return named_folder(app, text, label) if text else None

    source, masks = folder("input_dir", "Input directory"), folder("inpaint_mask_dir", "Inpaint batch mask directory")
    output = str(named["img2img_batch_output_dir"] or "").strip()
    wanted = tuple(each for each in named["img2img_batch_png_info_props"] or () if each in PNG_INFO_FIELDS) if named["img2img_batch_use_png_info"] else ()
    files = tuple(str(getattr(each, "name", each)) for each in named["img2img_batch_upload"] or ())
    from_folder = named["img2img_batch_source_type"] in ("from dir", 1) or not files
    if from_folder and source is None:
        raise InvalidValue("Batch: no folder is named, and no files were sent.", "Name a folder on the server's machine.", field="init_images")
    order = BatchOrder(
        files=pictures_of(source) if from_folder and source is not None else files,
        masks=pictures_of(masks) if masks is not None else (),
        output=str(app.paths.output_folder(output)) if output else "", png_info=wanted,
        png_info_folder=str(folder("png_info_dir", "PNG info directory") or "") if wanted else "",
        scale=float(named["scale_by"]) if int(named["selected_scale_tab"] or 0) == 1 else None,
        folder=str(source or "") if from_folder else "", mask_folder=str(masks or ""))  # fmt: skip
    request = _asked(_img2img_request(named), scripts)
    assert isinstance(request, Img2ImgRequest)
    return _shown(submit_batch(app, request, order, source="extension", task_id=id_task or None))


def _shown(job: Job) -> Result:
    outcome: Outcome = generation.outcome_of(current().jobs.wait(job))
    texts = outcome.info.get("infotexts") or [""]
    comments = "".join(f"<p class='comments'>{html.escape(each)}</p>" for each in outcome.comments)
    return [each.picture for each in outcome.shown], json.dumps(outcome.info), paragraph(texts[0]), comments
