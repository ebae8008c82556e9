"""The rest of A1111's ``sd_models`` and ``sd_vae``."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.checkpoint_list import list_models, load_chosen, read_state_dict, vae_dict
from modules.a1111.model_view import load_model, sd_model
from modules.a1111.stubs import UNKNOWN
from modules.engine.preview import preview_map
from modules.library.vae_choice import AUTOMATIC


class _ModelData:
    """A1111's holder of the model."""

    @property
    def sd_model(self) -> Any:
        return sd_model()

    @sd_model.setter
    def sd_model(self, _: Any) -> None:
        """The program keeps its model itself."""

    @property
    def loaded_sd_models(self) -> list[Any]:
        return [sd_model()] if current().checkpoints.components is not None else []

    @loaded_sd_models.setter
    def loaded_sd_models(self, _: Any) -> None:
        """As above."""

    @property
    def was_loaded_at_least_once(self) -> bool:
        return current().checkpoints.components is not None

    def get_sd_model(self) -> Any:
        return sd_model()

    def set_sd_model(self, v: Any, already_loaded: bool = False) -> None:
        """The program keeps its model itself."""


model_data = _ModelData()


def model_value(name: str) -> Any:
    if name == "model_path":
        return str(current().paths.checkpoints_dir)
    if name == "model_dir":
        return "Stable-diffusion"
    return UNKNOWN


class SkipWritingToConfig:
    """Settings set inside are not written by A1111; ours are written only when they are saved."""

    skip = False
    previous = None

    def __enter__(self) -> None: ...

    def __exit__(self, *_: Any) -> None: ...


def get_state_dict_from_checkpoint(pl_sd: dict[str, Any]) -> dict[str, Any]:
    return pl_sd.get("state_dict", pl_sd)


def get_checkpoint_state_dict(checkpoint_info: Any, timer: Any = None) -> dict[str, Tensor]:
    return read_state_dict(checkpoint_info.filename)


def load_model_weights(model: Any, checkpoint_info: Any, state_dict: Any = None, timer: Any = None) -> None:
    load_model(checkpoint_info, state_dict)


def get_empty_cond(model: Any) -> Any:
    return model.cond_stage_model_empty_prompt


def send_model_to_cpu(m: Any) -> None:
    """Placement is the loader's business."""


send_model_to_device = send_model_to_trash = send_model_to_cpu


def apply_token_merging(model: Any, token_merging_ratio: float) -> None:
    """Token merging is a parameter of the request."""


def apply_alpha_schedule_override(model: Any, p: Any = None) -> None:
    """The noise schedule is a parameter of the request."""


# -- VAE ------------------------------------------------------------------------------------------------------------------


def vae_value(name: str) -> Any:
    if name == "vae_path":
        return str(Path(current().flags.models_path) / "VAE")
    return UNKNOWN


def refresh_vae_list() -> None:
    list_models()


def get_filename(filepath: str) -> str:
    return Path(filepath).name


def load_vae_dict(filename: str, map_location: Any = "cpu") -> dict[str, Tensor]:
    """The VAE's tensors, without those of its training."""
    return {name: tensor for name, tensor in read_state_dict(filename, map_location=map_location).items() if not name.startswith(("loss", "model_ema"))}


def find_vae_near_checkpoint(checkpoint_file: str) -> str | None:
    stem = Path(checkpoint_file).stem.lower()
    return next((path for path in vae_dict.values() if Path(path).name.lower().startswith(stem)), None)


def reload_vae_weights(sd_model: Any = None, vae_file: Any = None) -> Any:
    """Load the VAE that the settings choose, or the file given."""
    if isinstance(vae_file, str) and vae_file:
        current().settings.set("sd_vae", Path(vae_file).name)
    load_chosen()
    return sd_model


def load_vae(model: Any, vae_file: Any = None, vae_source: str = "from unknown source") -> None:
    reload_vae_weights(model, vae_file)


def clear_loaded_vae() -> None: ...


def is_automatic() -> bool:
    return current().settings.get("sd_vae") in (AUTOMATIC, "auto")


def get_loaded_vae_name() -> str | None:
    components = current().checkpoints.components
    return components.vae_file.path.name if components is not None and components.vae_file is not None else None


def get_loaded_vae_hash() -> str | None:
    components = current().checkpoints.components
    return current().catalogue.hash_of(components.vae_file)[:10] if components is not None and components.vae_file is not None else None


def resolve_vae(checkpoint_file: str) -> Any:
    from types import SimpleNamespace

    name = current().settings.get("sd_vae")
    path = vae_dict.get(name) or find_vae_near_checkpoint(checkpoint_file)
    return SimpleNamespace(vae=path, source=None, resolved=True, tuple=lambda: (path, None))


def cheap_approximation(sample: Tensor) -> Tensor:
    """A latent (C, h, w), or several, as small RGB pictures (3, h, w) in -1 .. 1, by one matrix."""
    parts = sd_model().components  # type: ignore[union-attr]
    mapping = preview_map(parts.vae, parts.family.latent)
    colours = torch.einsum("...lxy,lr->...rxy", sample.float().cpu(), mapping.weight) + mapping.bias[:, None, None]
    return colours.to(sample)
