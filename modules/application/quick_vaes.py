"""TAESD and VAE-approx where their files lie in models/VAE-approx: for previews, and in the place of the VAE where the settings want it.

Nothing is downloaded unasked: what is missing is said, with its address.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.application.downloads import Published
from modules.application.engine_inputs import SettingsView
from modules.families.table import FAMILIES
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.families.family import LatentFormat
    from modules.loading.components import Components

log = logging.getLogger(__name__)
FOLDERS = ("VAE-approx", "VAE-taesd", "vae_approx")      # below models/: A1111's two, ComfyUI's
TAESD, APPROXIMATION = "TAESD", "Approx NN"
_TAESD_ADDRESS = "https://github.com/madebyollin/taesd/raw/main/"
_APPROX_ADDRESSES = {
    "model.pt": "https://github.com/AUTOMATIC1111/stable-diffusion-webui/raw/master/models/VAE-approx/model.pt",
    "vaeapprox-sdxl.pt": "https://github.com/AUTOMATIC1111/stable-diffusion-webui/releases/download/v1.0.0-pre/vaeapprox-sdxl.pt",
    "vaeapprox-sd3.pt": "https://github.com/AUTOMATIC1111/stable-diffusion-webui/releases/download/v1.0.0-pre/vaeapprox-sd3.pt",
}
_SETTINGS = {"VAE Encoder": "sd_vae_encode_method", "VAE Decoder": "sd_vae_decode_method"}      # by their keys in texts


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A quick network's file and where it can be had. name: "" where there is none for such latents."""

    name: str
    address: str = ""


def wanted(latent: LatentFormat, method: str, half: str = "decoder") -> Wanted:
    """The file for latents of that format. Where nobody made a VAE-approx, TAESD is the next best."""
    if method == APPROXIMATION and latent.approximation:
        return Wanted(name=latent.approximation, address=_APPROX_ADDRESSES.get(latent.approximation, ""))
    name = f"{latent.tiny}_{half}.pth" if latent.tiny else ""
    return Wanted(name=name, address=f"{_TAESD_ADDRESS}{name}" if name else "")


@dataclass(eq=False, kw_only=True)
class QuickVaes:
    """models_dir: where FOLDERS are. Each network is loaded once."""

    models_dir: Path
    policy: ComputePolicy
    _loaded: dict[tuple[Path, float, str], Any] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def preview(self, latent: LatentFormat, method: str) -> Callable[[Any], Any] | None:
        """What decodes previews by ``method``; None for the linear map."""
        return self._network(latent, method, "decoder")[0] if method in (TAESD, APPROXIMATION) else None

    def put_in(self, components: Components, settings: SettingsView) -> Components:
        """The model with TAESD in the place of its VAE's halves where the settings want it and it is there."""
        latent = components.family.latent
        halves = {half: self._network(latent, TAESD, half)[0] for half in _asked(settings).values()}
        if not any(halves.values()):
            return components
        from modules.loading.quick_vae import SubstituteVae

        vae = SubstituteVae(components.vae, latent, quick_decoder=halves.get("decoder"), quick_encoder=halves.get("encoder"))
        return replace(components, vae=vae)

    def used(self, components: Components, settings: SettingsView) -> dict[str, str]:
        """What a picture's text says of it, in A1111's words."""
        return {text: TAESD for text, half in _asked(settings).items() if self._network(components.family.latent, TAESD, half)[0] is not None}

    def missing(self, components: Components, settings: SettingsView, *, chosen: Mapping[str, Any]) -> list[str]:
        """Sentences for the user. chosen: the settings that differ from A1111's; what nobody asked for is told in the log, once."""
        latent, method = components.family.latent, settings.get("show_progress_type")
        found = [(self._network(latent, TAESD, half)[1], "The VAE itself was used.") for half in _asked(settings).values()]
        if method in (TAESD, APPROXIMATION) and settings.get("live_previews_enable"):
            sentence = self._network(latent, method, "decoder")[1]
            if "show_progress_type" in chosen:
                found.append((sentence, "Previews are coarse without it."))
            elif sentence and sentence not in self._told:
                self._told.add(sentence)
                log.info("%s Previews are coarse without it.", sentence)
        return [f"{sentence} {then}" for sentence, then in found if sentence]

    def published(self) -> list[Published]:
        """The networks' files for every kind of latents, to be fetched."""
        each = [wanted(family.latent, method, half) for family in FAMILIES for method in (APPROXIMATION, TAESD) for half in ("decoder", "encoder")]
        return [Published(final=self.models_dir / FOLDERS[0] / file.name, address=file.address) for file in dict.fromkeys(each) if file.address]

    def _network(self, latent: LatentFormat, method: str, half: str) -> tuple[Any, str]:
        """The network, or None and why."""
        file = wanted(latent, method, half)
        if not file.name:
            return None, f"There is no {method} for this kind of model."
        path = self._path(file.name)
        if path is None:
            return None, f"{method} needs {file.name} in {self.models_dir / FOLDERS[0]}; it can be had from {file.address}."
        try:
            return self._load(path, latent, half), ""
        except CannotLoad as error:
            return None, str(error)

    def _path(self, name: str) -> Path | None:
        names = (name, f"{Path(name).stem}.safetensors")
        return next((path for folder in FOLDERS for each in names if (path := self.models_dir / folder / each).is_file()), None)

    def _load(self, path: Path, latent: LatentFormat, half: str) -> Any:
        from modules.loading.quick_vae import load_quick_decoder, load_quick_encoder

        with self._lock:
            key = (path, path.stat().st_mtime, half)
            if key not in self._loaded:
                load = load_quick_decoder if half == "decoder" else load_quick_encoder
                self._loaded[key] = load(path, latent, device=self.policy.device, dtype="float32" if self.policy.device == "cpu" else self.policy.vae_dtype)
            return self._loaded[key]


def _asked(settings: SettingsView) -> dict[str, str]:
    """The halves that the settings want by TAESD, by their keys in texts."""
    return {text: "encoder" if text == "VAE Encoder" else "decoder" for text, key in _SETTINGS.items() if settings.get(key) == TAESD}
