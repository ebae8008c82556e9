"""Processed: what a run gave, in A1111's form."""

from __future__ import annotations

import json
from typing import Any

from modules.a1111.infotexts import create_infotext
from modules.a1111.patch_points import looked_up
from modules.a1111.processing import first_of
from modules.a1111.prompts_of_p import settings_of
from modules.application.version import INFOTEXT_VERSION

# A1111's facts in its order; "js" names them as they are
FACTS = (
    "prompt", "all_prompts", "negative_prompt", "all_negative_prompts", "seed", "all_seeds", "subseed", "all_subseeds", "subseed_strength",
    "width", "height", "sampler_name", "cfg_scale", "steps", "batch_size", "restore_faces", "face_restoration_model", "sd_model_name",
    "sd_model_hash", "sd_vae_name", "sd_vae_hash", "seed_resize_from_w", "seed_resize_from_h", "denoising_strength",
    "extra_generation_params", "index_of_first_image", "infotexts", "styles", "job_timestamp", "clip_skip",
    "is_using_inpainting_conditioning", "version",
)  # fmt: skip


class Processed:
    """images: PIL, grids first; ``index_of_first_image`` is the first that is none. infotexts: one for each.

    info: the text of the first. comments: sentences, one a line.
    """

    def __init__(
        self, p: Any, images_list: list[Any], seed: Any = -1, info: str = "", subseed: Any = None, all_prompts: Any = None,
        all_negative_prompts: Any = None, all_seeds: Any = None, all_subseeds: Any = None, index_of_first_image: int = 0,
        infotexts: list[str] | None = None, comments: str = "",
    ) -> None:  # fmt: skip
        self.images = images_list
        self.extra_images: list[Any] = []
        self.prompt = first_of(p.prompt, "")
        self.negative_prompt = first_of(p.negative_prompt, "")
        self.seed, self.subseed = _number(first_of(seed, -1)), _number(first_of(subseed, -1))
        self.subseed_strength = p.subseed_strength
        self.info = info
        self.comments = comments or "".join(f"{comment}\n" for comment in p.comments)
        self.width, self.height = p.width, p.height
        self.sampler_name, self.cfg_scale, self.steps, self.batch_size = p.sampler_name, p.cfg_scale, p.steps, p.batch_size
        self.image_cfg_scale = getattr(p, "image_cfg_scale", None)
        self.restore_faces = bool(p.restore_faces)
        self.face_restoration_model = settings_of(p).get("face_restoration_model") if self.restore_faces else None
        self.sd_model_name, self.sd_model_hash = p.sd_model_name, p.sd_model_hash
        self.sd_vae_name, self.sd_vae_hash = p.sd_vae_name, p.sd_vae_hash
        self.seed_resize_from_w, self.seed_resize_from_h = p.seed_resize_from_w, p.seed_resize_from_h
        self.denoising_strength = p.denoising_strength
        self.extra_generation_params = p.extra_generation_params
        self.index_of_first_image = index_of_first_image
        self.styles = list(p.styles)
        self.job_timestamp = p.job_timestamp
        self.clip_skip = settings_of(p).get("CLIP_stop_at_last_layers")
        self.token_merging_ratio, self.token_merging_ratio_hr = p.token_merging_ratio, p.token_merging_ratio_hr
        self.eta, self.ddim_discretize = p.eta, p.ddim_discretize
        self.s_churn, self.s_tmin, self.s_tmax, self.s_noise, self.s_min_uncond = p.s_churn, p.s_tmin, p.s_tmax, p.s_noise, p.s_min_uncond
        self.sampler_noise_scheduler_override = None
        self.is_using_inpainting_conditioning = p.is_using_inpainting_conditioning
        self.all_prompts = all_prompts or p.all_prompts or [self.prompt]
        self.all_negative_prompts = all_negative_prompts or p.all_negative_prompts or [self.negative_prompt]
        self.all_seeds = all_seeds or p.all_seeds or [self.seed]
        self.all_subseeds = all_subseeds or p.all_subseeds or [self.subseed]
        self.infotexts = infotexts or [info] * len(images_list)
        self.version = INFOTEXT_VERSION

    def facts(self) -> dict[str, Any]:
        """As JSON values, in A1111's order; functions among the extra parameters become null, as in A1111."""
        return json.loads(self.js())

    def js(self) -> str:
        """The same as text: what the page and the API call ``info``."""
        found = {name: getattr(self, name) for name in FACTS} | {"prompt": first_of(self.all_prompts, ""), "negative_prompt": first_of(self.all_negative_prompts, "")}
        return json.dumps(found, default=lambda _: None)

    def infotext(self, p: Any, index: int) -> str:
        """The text of picture ``index`` of the run."""
        return looked_up("modules.processing", "create_infotext", create_infotext)(
            p, self.all_prompts, self.all_seeds, self.all_subseeds, comments=[], position_in_batch=index % max(self.batch_size, 1),
            iteration=index // max(self.batch_size, 1), index=index, all_negative_prompts=self.all_negative_prompts,
        )  # fmt: skip

    def get_token_merging_ratio(self, for_hr: bool = False) -> float:
        return self.token_merging_ratio_hr if for_hr else self.token_merging_ratio


def _number(value: Any) -> int:
    try:
        return int(value) if value is not None else -1
    except (TypeError, ValueError):
        return -1
