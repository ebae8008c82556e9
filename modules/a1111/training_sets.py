"""A1111's data of a training for extensions that train by loops of their own: learning rates, pictures as latents, batches."""
from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from modules.a1111.app_slot import current
from modules.a1111.state import state
from modules.application.img2img_batch import pictures_of
from modules.application.training_pictures import broken_off, caption_of, none_found
from modules.engine.training.pictures import Wording, batches_of_groups, weight_of_places
from modules.engine.training.rates import Rates
from modules.imaging.base64_codec import open_image
from modules.schema.errors import WebuiError
from modules.schema.params_training import SAMPLING

_ONCE, _DETERMINISTIC, _RANDOM = SAMPLING

# -- learning rates -------------------------------------------------------------------------------------------------------


class LearnScheduleIterator:
    """(rate, the step until which it holds), one after the other, from ``cur_step`` on. Raises InvalidValue."""

    def __init__(self, learn_rate: Any, max_steps: int, cur_step: int = 0) -> None:
        spans = Rates.parsed(str(learn_rate), max_steps).spans
        self.rates = [(rate, until) for rate, until in spans if until > cur_step] or [spans[-1]]
        self.it, self.maxit = 0, len(self.rates)

    def __iter__(self) -> Iterator[tuple[float, int]]:
        return self

    def __next__(self) -> tuple[float, int]:
        if self.it >= self.maxit:
            raise StopIteration
        self.it += 1
        return self.rates[self.it - 1]


class LearnRateScheduler:
    """The rate of each step. finished: the last span is over."""

    def __init__(self, learn_rate: Any, max_steps: int, cur_step: int = 0, verbose: bool = True) -> None:
        self.schedules = LearnScheduleIterator(learn_rate, max_steps, cur_step)
        self.learn_rate, self.end_step = next(self.schedules)
        self.verbose, self.finished = verbose, False

    def step(self, step_number: int) -> bool:
        """Whether another rate begins at ``step_number``."""
        if step_number < self.end_step:
            return False
        following = next(self.schedules, None)
        self.finished = following is None
        self.learn_rate, self.end_step = following or (self.learn_rate, self.end_step)
        return following is not None

    def apply(self, optimizer: Any, step_number: int) -> None:
        if self.step(step_number):
            for group in optimizer.param_groups:
                group["lr"] = self.learn_rate


# -- pictures -------------------------------------------------------------------------------------------------------------


class DatasetEntry:
    """One picture. latent_sample: (C, h, w). weight: like it, of mean 1, how much each place counts."""

    def __init__(
        self, filename: Any = None, filename_text: Any = None, latent_dist: Any = None, latent_sample: Any = None, cond: Any = None, cond_text: Any = None,
        pixel_values: Any = None, weight: Any = None,
    ) -> None:
        self.filename, self.filename_text, self.weight = filename, filename_text, weight
        self.latent_dist, self.latent_sample = latent_dist, latent_sample
        self.cond, self.cond_text, self.pixel_values = cond, cond_text, pixel_values


class PersonalizedBase(Dataset[DatasetEntry]):
    """Every picture of a folder as a latent of ``model`` (``shared.sd_model``). Raises InvalidValue where there is none."""

    def __init__(
        self, data_root: Any, width: int, height: int, repeats: int = 1, flip_p: float = 0.5, placeholder_token: str = "*", model: Any = None, cond_model: Any = None,
        device: Any = None, template_file: Any = None, include_cond: bool = False, batch_size: int = 1, gradient_step: int = 1, shuffle_tags: bool = False,
        tag_drop_out: float = 0, latent_sampling_method: str = "once", varsize: bool = False, use_weight: bool = False,
    ) -> None:
        self.lines = [line.strip() for line in Path(template_file).read_text("utf-8", errors="replace").splitlines()]
        self.placeholder_token, self.shuffle_tags, self.tag_drop_out = placeholder_token, shuffle_tags, tag_drop_out
        self.latent_sampling_method, self._model = latent_sampling_method, model
        self.image_paths = list(pictures_of(Path(data_root)))
        self.dataset, sizes = [], []
        for path in self.image_paths:
            if state.interrupted:
                raise broken_off()
            try:
                picture = open_image(Path(path).read_bytes(), Path(path).name)
            except (WebuiError, OSError):
                continue
            alpha = picture.getchannel("A") if use_weight and "A" in picture.getbands() else None
            picture = picture.convert("RGB") if varsize else picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
            self.dataset.append(self._entry(path, picture, alpha, device, use_weight))
            sizes.append(picture.size)
        if not self.dataset:
            raise none_found()
        self.length = len(self.dataset)
        order = sorted(range(self.length), key=lambda place: sizes[place])
        self.groups = [list(same) for _, same in groupby(order, key=lambda place: sizes[place])]
        self.batch_size = min(batch_size, self.length)
        self.gradient_step = min(gradient_step, self.length // self.batch_size)
        if include_cond and not self._wording.changes:
            for each in self.dataset:
                each.cond = cond_model([each.cond_text]).cpu().squeeze(0)

    def _entry(self, path: Any, picture: Image.Image, alpha: Image.Image | None, device: Any, use_weight: bool) -> DatasetEntry:
        words = caption_of(Path(path), current().settings)
        pixels = torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1).permute(2, 0, 1).to(device=device)
        spread = self._model.encode_first_stage(pixels[None])
        if self.latent_sampling_method == _DETERMINISTIC and hasattr(spread, "mode"):
            spread = spread.mode()
        latent = self._model.get_first_stage_encoding(spread).squeeze(0).cpu()
        weight = (torch.ones_like(latent) if alpha is None else weight_of_places(alpha, latent).expand(latent.shape)) if use_weight else None
        made = DatasetEntry(path, words, weight=weight)
        if self.latent_sampling_method == _RANDOM:
            made.latent_dist = spread
        else:
            made.latent_sample = latent
        if not self._wording.changes:
            made.cond_text = self.create_text(words)
        return made

    @property
    def _wording(self) -> Wording:
        return Wording(lines=self.lines, name=self.placeholder_token, shuffles=bool(self.shuffle_tags), drops=float(self.tag_drop_out))

    def create_text(self, filename_text: str) -> str:
        """A line of the template with the caption in it."""
        return self._wording.text(filename_text, random)    # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> DatasetEntry:
        entry = self.dataset[i]
        if self._wording.changes:
            entry.cond_text = self.create_text(entry.filename_text)
        if self.latent_sampling_method == _RANDOM:
            entry.latent_sample = self._model.get_first_stage_encoding(entry.latent_dist).squeeze(0).cpu()
        return entry


# -- batches --------------------------------------------------------------------------------------------------------------


class GroupedBatchSampler(Sampler[list[int]]):
    """Batches of pictures of one size; an epoch has as many as all pictures fill, and what fills none of its own is completed by chance."""

    def __init__(self, data_source: PersonalizedBase, batch_size: int) -> None:
        self.groups, self.batch_size, self.len = data_source.groups, batch_size, len(data_source) // batch_size

    def __len__(self) -> int:
        return self.len

    def __iter__(self) -> Iterator[list[int]]:
        yield from batches_of_groups(self.groups, self.batch_size, random)    # type: ignore[arg-type]


class BatchLoader:
    """What a step learns from. latent_sample: (B, C, h, w)."""

    def __init__(self, data: list[DatasetEntry]) -> None:
        self.cond_text, self.cond = [each.cond_text for each in data], [each.cond for each in data]
        self.latent_sample: Tensor = torch.stack([each.latent_sample for each in data])
        weights = [each.weight for each in data]
        self.weight = torch.stack(weights) if all(each is not None for each in weights) else None

    def pin_memory(self) -> BatchLoader:
        self.latent_sample = self.latent_sample.pin_memory()
        return self


class BatchLoaderRandom(BatchLoader):
    """Of latents that are drawn anew each time."""

    def pin_memory(self) -> BatchLoader:
        return self


def collate_wrapper(batch: list[DatasetEntry]) -> BatchLoader:
    return BatchLoader(batch)


def collate_wrapper_random(batch: list[DatasetEntry]) -> BatchLoaderRandom:
    return BatchLoaderRandom(batch)


class PersonalizedDataLoader(DataLoader[DatasetEntry]):
    def __init__(self, dataset: PersonalizedBase, latent_sampling_method: str = "once", batch_size: int = 1, pin_memory: bool = False) -> None:
        gathers = collate_wrapper_random if latent_sampling_method == _RANDOM else collate_wrapper
        super().__init__(dataset, batch_sampler=GroupedBatchSampler(dataset, batch_size), pin_memory=pin_memory, collate_fn=gathers)
