"""A folder of pictures -> what a training learns from."""
from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from modules.application.app import App
from modules.application.engine_inputs import SettingsView
from modules.application.img2img_batch import named_folder, pictures_of
from modules.application.settings_store import OverlaidSettings
from modules.application.training_templates import template_lines
from modules.engine.hooks import CancelView
from modules.engine.training.pictures import Chance, PictureSet, TrainingPicture, Wording, encoded_picture
from modules.imaging.base64_codec import open_image
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.params_training import TrainingRequest

if TYPE_CHECKING:
    from modules.loading.components import Components

log = logging.getLogger(__name__)
_NUMBERS_AT_START = re.compile(r"^[-\d]+\s*")
_STEP = 64                      # pixels; sides of other sizes do not fit through the denoiser
_MOST_WORDS = 100_000


def picture_set(
    app: App, asked: TrainingRequest, settings: OverlaidSettings, components: Components, name: str, *, chance: Chance, cancel: CancelView,
) -> PictureSet:
    """Every picture of the folder as latents; files that are none are told and left out. name: what is trained. Raises InvalidValue where none is left."""
    found: list[TrainingPicture] = []
    for file in map(Path, pictures_of(named_folder(app, asked.data_root, "Dataset directory"))):
        cancel.hold()
        if cancel.interrupted:
            raise broken_off()
        try:
            picture, alpha = _read(file, asked)
        except (WebuiError, OSError) as error:
            log.warning("%s was left out of the training: %s", file.name, error)
            continue
        found.append(encoded_picture(picture, caption_of(file, settings), components, sampling=asked.latent_sampling_method, alpha=alpha, chance=chance))
    if not found:
        raise none_found()
    lines = template_lines(Path(app.flags.textual_inversion_templates_dir), asked.template_filename)
    wording = Wording(lines=lines, name=name, shuffles=asked.shuffle_tags, drops=asked.tag_drop_out)
    return PictureSet(found, wording, batch_size=asked.batch_size, chance=chance)


def _read(file: Path, asked: TrainingRequest) -> tuple[Image.Image, Image.Image | None]:
    """RGB in the size asked for, or in its own, cut to what the model takes; and its alpha channel where that counts."""
    opened = open_image(file.read_bytes(), file.name)
    alpha = opened.getchannel("A") if asked.use_weight and "A" in opened.getbands() else None
    picture = opened.convert("RGB")
    if not asked.varsize:
        size = asked.training_width, asked.training_height
        return picture.resize(size, Image.Resampling.BICUBIC), alpha
    width, height = (side // _STEP * _STEP for side in picture.size)
    if not width or not height:
        raise InvalidValue(f"{file.name} is smaller than {_STEP} pixels.")
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    box = (left, top, left + width, top + height)
    return picture.crop(box), alpha.crop(box) if alpha is not None else None


def broken_off() -> InvalidValue:
    return InvalidValue("The training was interrupted while its pictures were read; nothing was learnt.")


def none_found() -> InvalidValue:
    return InvalidValue("No images have been found in the dataset.", "Put PNG or JPEG files into the folder.", field="data_root")


def caption_of(file: Path, settings: SettingsView) -> str:
    """The caption beside a picture, else its file's name without the number at its start, as the settings take words from it."""
    beside = file.with_suffix(".txt")
    try:
        return beside.read_text("utf-8", errors="replace")[:_MOST_WORDS].strip("\n")
    except OSError:
        pass
    words, pattern = _NUMBERS_AT_START.sub("", file.stem), settings.get("dataset_filename_word_regex")
    if not pattern:
        return words
    try:
        parts = re.findall(pattern, words)
    except re.error as error:
        raise InvalidValue(f"The setting \"Filename word regex\" is no regular expression ({error}).", "Correct it, or empty it.") from error
    return (settings.get("dataset_filename_join_string") or "").join(part if isinstance(part, str) else part[0] for part in parts)
