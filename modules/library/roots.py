"""Which folders hold which kind of model: A1111's places, from the flags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modules.schema.flags import Flags

CHECKPOINT_SUFFIXES = (".safetensors", ".ckpt", ".gguf", ".sft")  # the last is what FLUX.1's makers called it
VAE_ENDINGS = (".vae.safetensors", ".vae.ckpt", ".vae.pt")  # how a VAE is told that lies among checkpoints
VAE_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".sft")
TEXT_ENCODER_SUFFIXES = (".safetensors", ".gguf", ".sft")
TEXT_ENCODER_FOLDERS = ("text_encoder", "text_encoders", "clip")  # below models/; Forge's name, and ComfyUI's two
LORA_SUFFIXES = (".safetensors", ".ckpt", ".pt")
HYPERNETWORK_SUFFIXES = (".pt",)
EMBEDDING_SUFFIXES = (".safetensors", ".pt", ".bin", ".png")  # the last: pictures that carry one
UPSCALER_FOLDERS = ("ESRGAN", "RealESRGAN", "DAT", "SwinIR", "ScuNET", "HAT", "upscale_models")  # below models/, also where a flag names another; the last is ComfyUI's
PICTURE_MODEL_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt")  # upscalers and face restorers


@dataclass(frozen=True, kw_only=True)
class Place:
    """One folder to look through, with everything below it.

    endings: what a file's name must end with, lower case. but_not: endings that belong to another kind.
    folders: whether a folder in diffusers' layout is a model here.
    """

    folder: Path
    endings: tuple[str, ...]
    but_not: tuple[str, ...] = ()
    folders: bool = False


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Where each kind of model is looked for, in order. checkpoint_file: the one that --ckpt names, listed first. single_checkpoints: those that extensions name."""

    checkpoints: tuple[Place, ...]
    vaes: tuple[Place, ...] = ()
    loras: tuple[Place, ...] = ()
    embeddings: tuple[Place, ...] = ()
    hypernetworks: tuple[Place, ...] = ()
    upscalers: tuple[Place, ...] = ()
    gfpgan: tuple[Place, ...] = ()
    codeformer: tuple[Place, ...] = ()
    text_encoders: tuple[Place, ...] = ()
    checkpoint_file: Path | None = None
    single_checkpoints: tuple[Path, ...] = ()

    @property
    def checkpoint_folders(self) -> str:
        """Where checkpoints are looked for, as a user is told it; a drive that is not plugged in is a folder that is not there."""
        return " or ".join(f"{each.folder}{'' if each.folder.is_dir() else ' (there is no such folder)'}" for each in self.checkpoints)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Each folder with models once, also those that flags name outside of models/."""
        every = (self.checkpoints, self.vaes, self.loras, self.embeddings, self.hypernetworks, self.upscalers, self.gfpgan, self.codeformer, self.text_encoders)
        return tuple(dict.fromkeys(place.folder for places in every for place in places))


def roots_from_flags(flags: Flags) -> Roots:
    """The places for these flags. Nothing is made or looked at."""
    models = Path(flags.models_path).absolute()
    checkpoint_folders = _folders(models / "Stable-diffusion", flags.ckpt_dir, *flags.ckpt_dirs)
    vae_folders = _folders(models / "VAE", flags.vae_dir, *flags.vae_dirs)
    return Roots(
        checkpoints=tuple(Place(folder=folder, endings=CHECKPOINT_SUFFIXES, but_not=VAE_ENDINGS, folders=True) for folder in checkpoint_folders),
        vaes=(
            *(Place(folder=folder, endings=VAE_ENDINGS) for folder in checkpoint_folders),
            *(Place(folder=folder, endings=VAE_SUFFIXES) for folder in vae_folders),
        ),
        loras=tuple(Place(folder=folder, endings=LORA_SUFFIXES) for folder in _folders(flags.lora_dir, flags.lyco_dir_backcompat, *flags.lora_dirs)),
        embeddings=(Place(folder=Path(flags.embeddings_dir).absolute(), endings=EMBEDDING_SUFFIXES),),
        hypernetworks=(Place(folder=Path(flags.hypernetwork_dir).absolute(), endings=HYPERNETWORK_SUFFIXES),),
        upscalers=_picture_models(
            flags.esrgan_models_path, flags.realesrgan_models_path, flags.bsrgan_models_path, flags.dat_models_path, flags.swinir_models_path,
            flags.scunet_models_path,
            *(str(models / name) for name in UPSCALER_FOLDERS),
        ),
        gfpgan=_picture_models(flags.gfpgan_models_path, flags.gfpgan_dir),
        codeformer=_picture_models(flags.codeformer_models_path),
        text_encoders=tuple(Place(folder=models / name, endings=TEXT_ENCODER_SUFFIXES) for name in (*TEXT_ENCODER_FOLDERS, *flags.text_encoder_dirs)),
        checkpoint_file=Path(flags.ckpt).absolute(),
    )


def _picture_models(*folders: str) -> tuple[Place, ...]:
    return tuple(Place(folder=folder, endings=PICTURE_MODEL_SUFFIXES) for folder in dict.fromkeys(Path(each).absolute() for each in folders))


def _folders(*folders: Path | str | None) -> tuple[Path, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(Path(folder).absolute() for folder in folders if folder))
