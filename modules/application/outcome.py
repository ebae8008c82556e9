"""What a job gives back: pictures with their texts, and the facts in the form of A1111's ``Processed.js()``."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from modules.application.version import INFOTEXT_VERSION
from modules.engine.hooks import BatchPlan
from modules.engine.resolved import ResolvedRequest

if TYPE_CHECKING:
    from modules.jobs.job import Job
    from modules.library.model_file import ModelFile


@dataclass(frozen=True, kw_only=True)
class OutputImage:
    """One picture. path: where it was saved, None when it was not. complete: False when it was cut short by an interrupt.

    texts: what its PNG carries by key, where that is more than ``infotext``. is_grid: it is a sheet of others. index: in its run of the engine, -1 where that is not known.
    """

    picture: Image.Image
    infotext: str
    seed: int
    path: Path | None = None
    complete: bool = True
    texts: Mapping[str, str] | None = None
    is_grid: bool = False
    is_beside: bool = False
    index: int = -1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All a job made. grid: the sheet of all pictures, if one was made; shown: what a gallery shows, in order.

    info: A1111's facts as JSON values; its ``infotexts`` and ``index_of_first_image`` are those of ``shown``.
    comments: sentences for the user. words: what a script hands to programs among the pictures of the API's answer.
    """

    images: tuple[OutputImage, ...]
    shown: tuple[OutputImage, ...]
    info: dict[str, Any]
    grid: OutputImage | None = None
    comments: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """What the store keeps of it: paths instead of pictures."""
        return {
            "images": [_summary_of(image) for image in self.shown],
            "info": self.info,
            "comments": list(self.comments),
        }


DONE = "done"                           # of a job of several inputs, in its summary: how many of them are finished


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What a former attempt at a job had finished before the server died. done: how many of its inputs. images: those that are still there."""

    done: int = 0
    images: tuple[OutputImage, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    comments: tuple[str, ...] = ()

    @classmethod
    def before(cls, job: Job) -> Attempt:
        """The one before this attempt at ``job``; an empty one when this is the first."""
        summary, done = job.summary or {}, (job.summary or {}).get(DONE)
        if job.attempts < 2 or not isinstance(done, int):
            return cls()
        finished = summary.get("images", ())[: summary.get("finished", 0)]
        images = (read_again(each) for each in finished)
        return cls(done=done, images=tuple(each for each in images if each), info=summary.get("info") or {}, comments=tuple(summary.get("comments") or ()))


def read_again(summary: Mapping[str, Any]) -> OutputImage | None:
    """None for a picture that was not saved, or was taken away."""
    try:
        with Image.open(summary["path"]) as file:
            file.load()
            picture = file.copy()
    except (OSError, ValueError, TypeError, AttributeError, Image.DecompressionBombError):
        return None
    return OutputImage(picture=picture, infotext=summary.get("infotext", ""), seed=summary.get("seed", -1), path=Path(summary["path"]),
                       complete=summary.get("complete", True), is_grid=summary.get("grid", False), index=summary.get("index", -1))


def _summary_of(image: OutputImage) -> dict[str, Any]:
    return {"path": str(image.path) if image.path else None, "infotext": image.infotext, "seed": image.seed, "complete": image.complete,
            **({"grid": True} if image.is_grid or image.is_beside else {}), **({"index": image.index} if image.index >= 0 else {})}


def processed_info(
    request: ResolvedRequest, plans: tuple[BatchPlan, ...], shown: tuple[OutputImage, ...], *,
    model: ModelFile, model_hash: str | None, vae_name: str | None, vae_hash: str | None, sampler_name: str, styles: tuple[str, ...],
    extra: dict[str, Any], grid_first: bool, began: datetime, is_inpainting_model: bool,
) -> dict[str, Any]:
    """The facts of a job under A1111's names, in its order. Lists named ``all_*`` hold every picture asked for, made or not."""
    planned = [image for plan in plans for image in plan.images]
    return {
        "prompt": planned[0].prompt if planned else request.prompt,
        "all_prompts": [image.prompt for image in planned],
        "negative_prompt": planned[0].negative_prompt if planned else request.negative_prompt,
        "all_negative_prompts": [image.negative_prompt for image in planned],
        "seed": planned[0].seed if planned else request.seed,
        "all_seeds": [image.seed for image in planned],
        "subseed": planned[0].variation_seed if planned else request.variation_seed,
        "all_subseeds": [image.variation_seed for image in planned],
        "subseed_strength": request.variation_strength,
        "width": request.width,
        "height": request.height,
        "sampler_name": sampler_name,
        "cfg_scale": request.guidance_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": bool(request.face_restoration),
        "face_restoration_model": request.face_restoration or None,
        "sd_model_name": model.stem,
        "sd_model_hash": model_hash,
        "sd_vae_name": vae_name,
        "sd_vae_hash": vae_hash,
        "seed_resize_from_w": request.seed_resize_width,
        "seed_resize_from_h": request.seed_resize_height,
        "denoising_strength": request.strength_used,
        "extra_generation_params": extra,
        "index_of_first_image": 1 if grid_first else 0,
        "infotexts": [image.infotext for image in shown],
        "styles": list(styles),
        "job_timestamp": began.strftime("%Y%m%d%H%M%S"),
        "clip_skip": request.options.clip_skip,
        "is_using_inpainting_conditioning": is_inpainting_model,
        "version": INFOTEXT_VERSION,
    }
