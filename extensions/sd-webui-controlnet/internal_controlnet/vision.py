"""Units that look at their picture through CLIP, or for a face: which picture encoder they need, where its file is, and what it saw as text on the wire."""

from __future__ import annotations

import base64
import binascii
import io
import pickle
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from modules.paths import models_path

from internal_controlnet.preprocessor_rows import FACE_ID, INSTANT_ID, LOOKS, WEIGHTS
from internal_controlnet.preprocessors import WEIGHTS_FOLDER, resized, weight_files, weight_folders
from modules.a1111.app_slot import current
from modules.a1111.control_units import ControlRefused
from modules.application.downloads import Published
from modules.library.control_files import CONTROL_SUFFIXES, lone_file
from modules.library.model_file import ModelFile
from modules.loading.clip_vision import Seen, load_clip_vision, widths_of
from modules.loading.control_kinds import is_instant_id
from modules.loading.ip_adapter import reads_face, reads_of
from modules.loading.weights import open_weights
from modules.schema.errors import CannotLoad

FOLDER = "clip_vision"
_HUB = "https://huggingface.co"


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """name: of its file, as the original extension saves it. width, projection: sizes by which a file of another name is known."""

    name: str
    address: str
    width: int
    projection: int
    words: str


ENCODERS = {
    "clip_h": Encoder(name="clip_h.pth", address=f"{_HUB}/h94/IP-Adapter/resolve/main/models/image_encoder/pytorch_model.bin", width=1280, projection=1024,
                      words="CLIP-H"),
    "clip_g": Encoder(name="clip_g.pth", address=f"{_HUB}/lllyasviel/Annotators/resolve/main/clip_g.pth", width=1664, projection=1280, words="CLIP-G"),
    "clip_vitl": Encoder(name="clip_vitl.pth", address=f"{_HUB}/openai/clip-vit-large-patch14/resolve/main/pytorch_model.bin", width=1024, projection=768,
                         words="CLIP-L"),
}  # fmt: skip


def encoder_for(module: str, file: ModelFile | None) -> ModelFile:
    """The file of the picture encoder that ``module`` means; for ip-adapter-auto the one that the IP-Adapter ``file`` was trained with.

    Raises ControlRefused, which says which file is missing, from where to get it and where to put it.
    """
    return _file_of(ENCODERS[LOOKS[module] or _trained_with(file)], module)


def known_encoder(module: str, file: ModelFile | None) -> ModelFile | None:
    """The same, or None where it is not there."""
    try:
        return encoder_for(module, file)
    except ControlRefused:
        return None


def _trained_with(file: ModelFile | None) -> str:
    if file is None:
        raise ControlRefused("ControlNet: no IP-Adapter is chosen.", "Choose one as the unit's model.", field="model")
    with closing(open_weights(file.path)) as weights:
        reads = reads_of(weights.header.shapes)
    if reads is None:
        return "clip_h"                             # what is wrong with the file is said where it is loaded
    patches, width = reads
    return next((key for key, each in ENCODERS.items() if width == (each.width if patches else each.projection)), "clip_h")


def folders() -> list[Path]:
    """Where encoders are looked for."""
    return [place / FOLDER for place in (*weight_folders(), Path(models_path))]


def published() -> list[Published]:
    """The encoders' files, to be fetched."""
    return [Published(final=Path(models_path) / WEIGHTS_FOLDER / FOLDER / each.name, address=each.address) for each in ENCODERS.values()]


def _file_of(encoder: Encoder, module: str) -> ModelFile:
    places = [folder for folder in folders() if folder.is_dir()]
    stem = encoder.name.partition(".")[0]
    for folder in places:
        for suffix in (".pth", *CONTROL_SUFFIXES):
            if (path := folder / f"{stem}{suffix}").is_file():
                return lone_file(path)
    for folder in places:
        for path in sorted(each for each in folder.iterdir() if each.suffix.lower() in CONTROL_SUFFIXES):
            if _widths(path) == (encoder.width, encoder.projection):
                return lone_file(path)
    place = Path(models_path) / WEIGHTS_FOLDER / FOLDER
    raise ControlRefused(
        f"ControlNet: the preprocessor {module!r} needs the picture encoder {encoder.words}, which is not there: its file is {encoder.name} in the folder {place}.",
        f"Download {encoder.address}, call it {encoder.name} and put it there.", field="module")


def _widths(path: Path) -> tuple[int, int] | None:
    try:
        with closing(open_weights(path)) as weights:
            return widths_of(weights.header.shapes)
    except CannotLoad:
        return None


def reads_of_file(file: ModelFile | None) -> tuple[str, bool]:
    """(the preprocessor that tells an IP-Adapter whose face it is, "" where it reads none; whether it looks at the picture through CLIP)."""
    if file is None:
        return "", True
    with closing(open_weights(file.path)) as weights:
        shapes = weights.header.shapes
    face = INSTANT_ID if is_instant_id(shapes) else FACE_ID if reads_face(shapes) else ""
    return face, not face or reads_of(shapes) is not None


def faces_in(pictures: Sequence[np.ndarray], module: str = FACE_ID, resolution: float = 0) -> tuple[torch.Tensor, ...]:
    """Whose face is in each of ``pictures``, (1, 512), as ``module`` tells it. Raises ControlRefused where there is none, or a file is missing.

    InstantID's looks at them at that resolution, and its adapter reads how strongly a face is told; FaceID's makes all equally long.
    """
    files = weight_files(module, *WEIGHTS[module], otherwise="")
    from internal_controlnet.annotators import face_read

    opaque = (np.ascontiguousarray(picture[:, :, :3]) for picture in pictures)
    if module == INSTANT_ID:
        return tuple(face_read(files, resized(picture, resolution)[0]) for picture in opaque)
    return tuple(told / told.norm() for picture in opaque for told in [face_read(files, picture)])


def seen_of(module: str, pictures: Sequence[np.ndarray]) -> list[Seen]:
    """What CLIP sees of ``pictures``, outside of any job: on the CPU, by an encoder that is loaded for this. Raises ControlRefused, CannotLoad."""
    file = encoder_for(module, None)
    encoder = load_clip_vision(file, replace(current().policy, device="cpu", compute_dtype="float32"))
    return [encoder(picture) for picture in pictures]


def packed(seen: Seen | torch.Tensor) -> str:
    """As the original extension hands it out: torch's file format in base64. A tensor: whose face it is."""
    file = io.BytesIO()
    torch.save(seen if isinstance(seen, torch.Tensor) else {"image_embeds": seen.embeds.cpu(), "last_hidden_state": seen.last.cpu(), "hidden_states": [seen.hidden.cpu(), seen.last.cpu()]}, file)
    return base64.b64encode(file.getvalue()).decode()


def unpacked(given: Any) -> tuple[Seen | torch.Tensor, ...]:
    """``ipadapter_input`` of a unit: one text of that kind, or a list. Raises ControlRefused."""
    return tuple(_unpacked(each) for each in (given if isinstance(given, list | tuple) else [given]))


def _unpacked(text: Any) -> Seen | torch.Tensor:
    try:
        found = torch.load(io.BytesIO(base64.b64decode(text)), map_location="cpu", weights_only=True)   # tensors and plain values, no programs
        if isinstance(found, torch.Tensor):
            return found.float().reshape(1, -1)
        hidden = found["hidden_states"]
        return Seen(embeds=found["image_embeds"], hidden=hidden[-2], last=found.get("last_hidden_state", hidden[-1]))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, EOFError, OSError, binascii.Error, pickle.UnpicklingError) as error:
        raise ControlRefused("ControlNet: ipadapter_input is not what a preprocessor of CLIP's or a face's gave.", "Send the text that POST /controlnet/detect answers as \"tensor\".",
                             field="ipadapter_input") from error
