"""What upscaler files are called in lists: the published ones as A1111 calls them, all others by their file's name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modules.library.scan import FoundFile


@dataclass(frozen=True, kw_only=True)
class PublishedUpscaler:
    """An upscaler under the name A1111 gave it. file: its file's name. folder: where it belongs below models/. address: where its makers offer it."""

    name: str
    file: str
    folder: str
    address: str
    scale: int = 4


_REAL_ESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_DAT = "https://github.com/n0kovo/dat_upscaler_models/raw/main/DAT"
_KAIR = "https://github.com/cszn/KAIR/releases/download/v1.0"

REAL_ESRGAN = (
    PublishedUpscaler(name="R-ESRGAN General 4xV3", file="realesr-general-x4v3.pth", folder="RealESRGAN",
                      address=f"{_REAL_ESRGAN}/v0.2.5.0/realesr-general-x4v3.pth"),
    PublishedUpscaler(name="R-ESRGAN General WDN 4xV3", file="realesr-general-wdn-x4v3.pth", folder="RealESRGAN",
                      address=f"{_REAL_ESRGAN}/v0.2.5.0/realesr-general-wdn-x4v3.pth"),
    PublishedUpscaler(name="R-ESRGAN AnimeVideo", file="realesr-animevideov3.pth", folder="RealESRGAN",
                      address=f"{_REAL_ESRGAN}/v0.2.5.0/realesr-animevideov3.pth"),
    PublishedUpscaler(name="R-ESRGAN 4x+", file="RealESRGAN_x4plus.pth", folder="RealESRGAN",
                      address=f"{_REAL_ESRGAN}/v0.1.0/RealESRGAN_x4plus.pth"),
    PublishedUpscaler(name="R-ESRGAN 4x+ Anime6B", file="RealESRGAN_x4plus_anime_6B.pth", folder="RealESRGAN",
                      address=f"{_REAL_ESRGAN}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth"),
    PublishedUpscaler(name="R-ESRGAN 2x+", file="RealESRGAN_x2plus.pth", folder="RealESRGAN", scale=2,
                      address=f"{_REAL_ESRGAN}/v0.2.1/RealESRGAN_x2plus.pth"),
)
PUBLISHED = (
    *REAL_ESRGAN,
    *(PublishedUpscaler(name=f"DAT x{n}", file=f"DAT_x{n}.pth", folder="DAT", scale=n, address=f"{_DAT}/DAT_x{n}.pth") for n in (2, 3, 4)),
    PublishedUpscaler(name="ESRGAN_4x", file="ESRGAN_4x.pth", folder="ESRGAN", address=f"{_KAIR}/ESRGAN.pth"),
    PublishedUpscaler(name="ScuNET GAN", file="scunet_color_real_gan.pth", folder="ScuNET", scale=1, address=f"{_KAIR}/scunet_color_real_gan.pth"),
    PublishedUpscaler(name="ScuNET PSNR", file="scunet_color_real_psnr.pth", folder="ScuNET", scale=1, address=f"{_KAIR}/scunet_color_real_psnr.pth"),
    PublishedUpscaler(
        name="SwinIR 4x", file="SwinIR_4x.pth", folder="SwinIR",
        address="https://github.com/JingyunLiang/SwinIR/releases/download/v0.0/003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN.pth",
    ),
)  # fmt: skip
_BY_STEM = {Path(each.file).stem.casefold(): each for each in PUBLISHED}


def upscaler_names(files: Iterable[FoundFile]) -> dict[Path, str]:
    """A name for each file, no two the same: a second file of a name bears its folder's name too."""
    found: dict[Path, str] = {}
    for file in files:
        published = _BY_STEM.get(file.path.stem.casefold())
        name = published.name if published else file.path.stem
        others = set(found.values())
        for form in (name, f"{name} ({file.path.parent.name})", f"{name} ({file.name})"):
            if form not in others:
                break
        else:
            form = str(file.path)
        found[file.path] = form
    return found


def published_upscaler(name: str) -> PublishedUpscaler | None:
    """The published upscaler of that name, whether its file is here or not."""
    return next((each for each in PUBLISHED if each.name.casefold() == name.strip().casefold()), None)
