"""Where the parts of a model are that its file does not hold: text encoders and VAEs in files of their own.

Each is told by its tensors and by the widths that the denoiser reads; what is missing is listed all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property

from modules.families.family import UNET, LatentFormat, ModelFamily, TextEncoderSpec
from modules.library.model_file import ModelFile
from modules.loading.language_model import is_qwen3, sees, width_of
from modules.loading.ldm_names import clip_names
from modules.loading.patched_vae import is_patched
from modules.loading.transformer import text_widths
from modules.loading.vae import DECODER_BEGINNINGS, vae_prefix
from modules.loading.weights import Weights, open_weights
from modules.schema.errors import CannotLoad

_SIZES_WIDTH = 6 * 256      # what SDXL is told besides the text


@dataclass(frozen=True, kw_only=True)
class PartFiles:
    """The text encoders and VAEs that lie in their folders."""

    text_encoders: tuple[ModelFile, ...] = ()
    vaes: tuple[ModelFile, ...] = ()


NO_FILES = PartFiles()


@dataclass(frozen=True, kw_only=True)
class FoundParts:
    """text_encoders: each with its prefix in its file, and the file; those that a model can do without may be missing. vae: None: none is needed."""

    text_encoders: tuple[tuple[TextEncoderSpec, Weights], ...]
    vae: Weights
    vae_file: ModelFile | None = None


@dataclass(kw_only=True)
class Search:
    """The parts for one model. opened: closes the files."""

    family: ModelFamily
    weights: Weights
    files: PartFiles
    opened: ExitStack
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def found(self, vae: Weights | None) -> FoundParts:
        """vae: the VAE file that was chosen, None where nothing was. Raises CannotLoad listing everything that is missing."""
        encoders = tuple(self._text_encoders())
        vae_file = None
        if vae is None:
            vae, vae_file = self._vae()
        if self.missing or vae is None:
            parts = "; ".join(self.missing) + "".join(f". {each} lies there, but is damaged" for each in self.damaged)
            again = "Download what is damaged once more; put the parts" if self.damaged else "Put them"
            raise CannotLoad(self.weights.header.path, f"it is {_article(self.family.name)} model without all of its parts: it has {parts}",
                             f"{again} there and refresh the list, or choose a complete checkpoint.")
        return FoundParts(text_encoders=encoders, vae=vae, vae_file=vae_file)

    def _text_encoders(self) -> Iterator[tuple[TextEncoderSpec, Weights]]:
        names = self.weights.header.names
        shapes = self.weights.header.shapes
        inside = {spec.name: spec for spec in self.family.text_encoders
                  if any(name.startswith(spec.prefix) for name in names) and (spec.sight is None or sees(shapes, spec.prefix))}
        widths = self._wanted(inside)
        for spec in self.family.text_encoders:
            if spec.name in inside:
                yield spec, self.weights
                continue
            file = self._encoder_file(spec, widths.get(spec.name, 0))
            if file is not None:
                yield replace(spec, prefix=""), file
            elif not (self.family.denoiser == "sd3" and spec.kind == "t5"):
                where = f", such as {spec.files}, in models/text_encoder" if spec.files else ""
                eyes = " with its part for pictures" if spec.sight is not None else ""
                self.missing.append(f"no {spec.name} text encoder{eyes} (no tensor {spec.prefix}...){where}")

    def _wanted(self, inside: Mapping[str, TextEncoderSpec]) -> Mapping[str, int]:
        """Values per token of each text encoder that this model's denoiser reads."""
        specs = self.family.text_encoders
        if self.family.denoiser == "unet":
            shapes = self.weights.header.shapes
            token = next((shape[1] for name, shape in shapes.items() if name.startswith(UNET) and name.endswith(".attn2.to_k.weight")), 0)
            whole = shapes.get(f"{UNET}label_emb.0.0.weight", (0, _SIZES_WIDTH))[1] - _SIZES_WIDTH
            return {specs[0].name: token} if len(specs) == 1 else {specs[0].name: token - whole, specs[1].name: whole}
        token, whole = text_widths(self.family, self.weights)
        clips = [spec for spec in specs if spec.is_clip]
        found = {spec.name: token // max(len(spec.layers), 1) for spec in specs if not spec.is_clip}
        if len(clips) == 1:
            found[clips[0].name] = whole
        elif clips:
            found |= dict(zip((spec.name for spec in clips), self._pair(clips, inside, whole)))
        return found

    def _pair(self, clips: Sequence[TextEncoderSpec], inside: Mapping[str, TextEncoderSpec], whole: int) -> tuple[int, int]:
        """The widths of SD3's two CLIPs, of which only the sum is known: the first one is the smaller."""
        own = [_clip_width(self.weights, spec.prefix) if spec.name in inside else 0 for spec in clips]
        if any(own):
            return own[0] or whole - own[1], own[1] or whole - own[0]
        there = sorted({width for width in (_clip_width(file, "") for _, file in self._open_encoders) if width})
        pair = next(((width, whole - width) for width in there if whole - width in there and width * 2 <= whole), None)
        return pair or (there[0] if len(there) == 1 and there[0] * 2 < whole else 0, there[0] if len(there) == 1 and there[0] * 2 >= whole else 0)

    def _encoder_file(self, spec: TextEncoderSpec, width: int) -> Weights | None:
        """The largest file of such an encoder: the others are the same in fewer bits."""
        fitting = [(file.size, weights) for file, weights in self._open_encoders if width and _width(spec, weights) == width and _has_right_eyes(spec, file, weights)]
        return max(fitting, key=lambda each: each[0])[1] if fitting else None

    @cached_property
    def _open_encoders(self) -> list[tuple[ModelFile, Weights]]:
        return self._open(self.files.text_encoders)

    def _open(self, files: Sequence[ModelFile]) -> list[tuple[ModelFile, Weights]]:
        """Those that can be read: a damaged file is none of those sought."""
        found = []
        for file in files:
            try:
                found.append((file, self.opened.enter_context(closing(open_weights(file.path)))))
            except CannotLoad:
                self.damaged.append(file.path.name)
        return found

    def _vae(self) -> tuple[Weights | None, ModelFile | None]:
        if vae_prefix(self.weights.header.names):
            return self.weights, None
        names, others = self.family.vae_files, self.family.other_vae_files
        fitting = [(file, weights) for file, weights in self._open(self.files.vaes) if _fits(weights, self.family.latent)]
        fitting = [each for each in fitting if not _is_called(each[0], others)]
        named = [each for each in fitting if _is_called(each[0], names)]
        if self.family.denoiser != "unet" and (named or fitting):       # which of SD's VAEs is the right one, nobody can tell
            file, weights = (named or fitting)[0]
            return weights, file
        where = f", such as {self.family.vae}, in models/VAE" if self.family.vae else "; choose one in SD VAE"
        self.missing.append(f"no VAE (no tensor first_stage_model....){where}")
        return None, None


def _is_called(file: ModelFile, names: Sequence[str]) -> bool:
    """Whether a word of the file's name begins with one of ``names``: nothing else tells FLUX.1's VAE from SD3's."""
    return any(word.startswith(name) for word in re.split(r"[^a-z0-9]+", file.stem.casefold()) for name in names)


def _article(name: str) -> str:
    return f"an {name}" if name.startswith("SD") else f"a {name}"


def _width(spec: TextEncoderSpec, weights: Weights) -> int:
    return _clip_width(weights, "") if spec.is_clip else width_of(spec.kind, weights.header.shapes, "")


def _has_right_eyes(spec: TextEncoderSpec, file: ModelFile, weights: Weights) -> bool:
    """Qwen3-VL's text part looks like Qwen3's, and where its part for pictures is left out, only a GGUF's note or the file's name tells them apart."""
    shapes = weights.header.shapes
    if spec.sight is not None:
        return sees(shapes, "")
    if not spec.kind.startswith("qwen") or not is_qwen3(shapes, ""):
        return True
    noted = weights.header.metadata.get("general.architecture", "") == "qwen3vl"
    return (spec.kind == "qwen3-vl") == (noted or sees(shapes, "") or _is_called(file, ("vl", "qwen3vl")))


def _clip_width(weights: Weights, prefix: str) -> int:
    shapes = weights.header.shapes
    names = clip_names(shapes, prefix)
    source = names.get("embeddings.token_embedding.weight") or names.get("token_embedding.weight")
    return shapes[source][-1] if source and "encoder.layers.0.mlp.fc1.weight" in names else 0


def _fits(weights: Weights, latent: LatentFormat) -> bool:
    """Whether it is a VAE whose latents have that many channels, of pictures or of films."""
    shapes = weights.header.shapes
    shape = next((shapes[name] for name in DECODER_BEGINNINGS if name in shapes), None)
    return shape is not None and len(shape) == (5 if latent.films else 4) and shape[1] == latent.channels and is_patched(shapes) == latent.patched
