"""Script: what an A1111 script is made of, and the records that its methods are handed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

AlwaysVisible = object()
"""What ``show`` returns for a script that takes part in every job."""


class ScriptClassData(NamedTuple):
    """A script class, the file it came from, the folder of its extension, and its module."""

    script_class: type
    path: str
    basedir: str
    module: Any


@dataclass
class MaskBlendArgs:
    """A latent on its way through inpainting; scripts replace ``blended_latent``. denoiser: None for the last blend of a pass."""

    current_latent: Any
    nmask: Any
    init_latent: Any
    mask: Any
    blended_latent: Any
    denoiser: Any = None
    sigma: Any = None

    @property
    def is_final_blend(self) -> bool:
        return self.denoiser is None


@dataclass
class PostSampleArgs:
    """samples: the finished latents (B, C, h, w) of a batch."""

    samples: Any


@dataclass
class PostprocessImageArgs:
    """image: a finished picture, PIL."""

    image: Any


@dataclass
class PostProcessMaskOverlayArgs:
    """index: the picture's place in its batch. overlay_image: what is laid over it, RGBA, or None."""

    index: int
    mask_for_overlay: Any
    overlay_image: Any


@dataclass
class PostprocessBatchListArgs:
    """images: one tensor (3, H, W) in 0 .. 1 for each picture; the list may grow and shrink."""

    images: list[Any]


@dataclass
class OnComponent:
    """component: a Gradio component that has just been, or is about to be, made."""

    component: Any


BATCH_METHODS = (
    "before_process_batch", "after_extra_networks_activate", "process_batch", "process_before_every_sampling", "before_hr", "on_mask_blend", "post_sample", "postprocess_batch",
    "postprocess_batch_list", "postprocess_image", "postprocess_maskoverlay", "postprocess_image_after_composite",
)  # fmt: skip


class Script:
    """A script as A1111 knows it. Subclasses give a title, a UI, and the stages that they care for.

    args_from, args_to: the part of the flat argument list that belongs to it. controls: the components its ``ui`` returned.
    in_request: the name under which our requests hold its arguments, where the engine itself does its work.
    page_has_it: its controls are the page's own fields, those called ``page_fields`` in the form ("{tab}" in them stands for the tab).
    page_source: the file by which A1111 knows it, where its own has another name.
    by_setting: whether it is shown hangs on the settings, and is asked again for each page that is built.
    """

    name: str | None = None
    section: str | None = None
    filename: str | None = None
    args_from: int | None = None
    args_to: int | None = None
    alwayson = False
    is_txt2img = False
    is_img2img = False
    tabname: str | None = None
    group: Any = None
    create_group = True
    infotext_fields: Any = None
    paste_field_names: Any = None
    api_info: Any = None
    on_before_component_elem_id: Any = None
    on_after_component_elem_id: Any = None
    setup_for_ui_only = False
    controls: Any = None
    has_ui = True       # False once ``ui`` gave None or failed
    in_request: str | None = None
    page_has_it = False
    page_fields: tuple[str, ...] = ()
    page_source = ""
    by_setting = False

    def title(self) -> str:
        """The name in the Script list. Must be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no title()")

    def ui(self, is_img2img: bool) -> Any:
        """Make the Gradio components and return them as a list; their values become the arguments of the other methods."""

    def show(self, is_img2img: bool) -> Any:
        """True: offered in the list of this tab; False: not; AlwaysVisible: part of every job."""
        return True

    def check_request(self, p: Any, settings: Any, *args: Any) -> None:
        """Refuse, with a WebuiError, what this script could not do. Nothing runs yet; ``settings.get(key)`` answers as it will for the job."""

    def minds_batches(self, p: Any) -> bool:
        """Ours: whether each batch has to be made for it, even one that a former attempt at the job has saved already."""
        return any(getattr(type(self), name) is not getattr(Script, name) for name in BATCH_METHODS)

    def run(self, p: Any, *args: Any) -> Any:
        """For chosen scripts: do the whole job and return a Processed, or None for the usual one."""

    def setup(self, p: Any, *args: Any) -> None:
        """Before anything else, when ``p`` and its arguments are complete."""

    def before_process(self, p: Any, *args: Any) -> None:
        """Before a run begins; ``p`` is as the user filled it in."""

    def process(self, p: Any, *args: Any) -> None:
        """Prompts and seeds of all pictures stand in ``p.all_prompts``, ``p.all_seeds`` ... and may be changed."""

    def before_process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Before a batch's extra network tags are read. kwargs: batch_number, prompts, seeds, subseeds."""

    def after_extra_networks_activate(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Its LoRAs are in. kwargs: as above, and extra_network_data."""

    def process_before_every_sampling(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """Before each pass, the hires pass too. kwargs: x, noise, c, uc."""

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """The batch's prompts are encoded; sampling comes next."""

    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """kwargs: batch_number, images (B, 3, H, W) in 0 .. 1."""

    def postprocess_batch_list(self, p: Any, pp: PostprocessBatchListArgs, *args: Any, **kwargs: Any) -> None:
        """As ``postprocess_batch``, with a list that may be changed."""

    def on_mask_blend(self, p: Any, mba: MaskBlendArgs, *args: Any) -> None:
        """Each time that inpainting mixes the kept part in."""

    def post_sample(self, p: Any, ps: PostSampleArgs, *args: Any) -> None:
        """Latents are finished, not yet decoded."""

    def before_hr(self, p: Any, *args: Any) -> None:
        """Before the hires pass."""

    def postprocess_image(self, p: Any, pp: PostprocessImageArgs, *args: Any) -> None:
        """Each finished picture, before it is put back into its frame and saved."""

    def postprocess_maskoverlay(self, p: Any, ppmo: PostProcessMaskOverlayArgs, *args: Any) -> None:
        """What will be laid over a picture."""

    def postprocess_image_after_composite(self, p: Any, pp: PostprocessImageArgs, *args: Any) -> None:
        """Each picture as it will be saved."""

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """The run is over."""

    def before_component(self, component: Any, **kwargs: Any) -> None:
        """For each component of the page, before it is made."""

    def after_component(self, component: Any, **kwargs: Any) -> None:
        """For each component of the page, after it was made."""

    def on_before_component(self, callback: Callable[[OnComponent], Any], *, elem_id: str) -> None:
        """Call ``callback`` before the component of that id is made; to be used in ``show`` or earlier."""
        self.on_before_component_elem_id = [*(self.on_before_component_elem_id or ()), (elem_id, callback)]

    def on_after_component(self, callback: Callable[[OnComponent], Any], *, elem_id: str) -> None:
        """Call ``callback`` after the component of that id was made."""
        self.on_after_component_elem_id = [*(self.on_after_component_elem_id or ()), (elem_id, callback)]

    def describe(self) -> str:
        """Unused by A1111 itself, but part of the class."""
        return ""

    def elem_id(self, item_id: Any) -> str:
        """The HTML id of a control; the tab's name is part of it only where the script is on both tabs."""
        tab = f"{'img2img' if self.is_img2img else 'txt2img'}_" if self.show(True) == self.show(False) else ""
        title = re.sub(r"[^a-z_0-9]", "", re.sub(r"\s", "_", self.title().lower()))
        return f"script_{tab}{title}_{item_id}"


class ScriptBuiltinUI(Script):
    """A part of the page that is written as a script: its ids bear the tab's name alone."""

    setup_for_ui_only = True

    def elem_id(self, item_id: Any) -> str:
        tab = f"{'img2img' if self.is_img2img else 'txt2img'}_" if self.show(True) == self.show(False) else ""
        return f"{tab}{item_id}"

    def show(self, is_img2img: bool) -> Any:
        return AlwaysVisible
