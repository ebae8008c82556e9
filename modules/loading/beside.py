"""What A1111 users keep beside a checkpoint: ``NAME.yaml`` in the original training format, and the text config it names."""

from __future__ import annotations

import glob
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modules.library.diffusers_folder import is_diffusers_folder, read_json
from modules.loading.unet_layout import NO_HEADS, Heads

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the files beside a checkpoint say; None where they say nothing."""

    unet_heads: Heads = NO_HEADS
    text_heads: tuple[int | None, ...] = ()     # per text encoder, in the checkpoint's order
    predicts_v: bool | None = None
    zero_terminal_snr: bool = False
    shown_is_clean: bool = False                # see ``transformer.py``


def read_beside(checkpoint: Path) -> Beside:
    """Read ``NAME.yaml``, or the configs in a folder of diffusers'; a missing or damaged one says nothing (the latter is logged)."""
    if is_diffusers_folder(checkpoint):
        return _in_folder(checkpoint)
    where = checkpoint.with_suffix(".yaml")
    try:
        document: Any = yaml.safe_load(where.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Beside()
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        log.warning("%s is ignored: it cannot be read (%s)", where, str(error).splitlines()[0])
        return Beside()
    parameters = _at(document, "model", "params")
    unet = _at(parameters, "unet_config", "params") or _at(parameters, "network_config", "params")
    return Beside(
        unet_heads=Heads(count=_number(_at(unet, "num_heads")), width=_number(_at(unet, "num_head_channels"))),
        text_heads=tuple(_text_heads(checkpoint.parent, encoder) for encoder in _text_encoders(parameters)),
        predicts_v=_predicts_v(parameters),
    )


def _in_folder(folder: Path) -> Beside:
    """A folder in diffusers' layout says it in the configs of its parts. diffusers calls a UNet's number of heads attention_head_dim."""
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    texts = [folder / part / "config.json" for part in ("text_encoder", "text_encoder_2") if (folder / part).is_dir()]
    prediction = scheduler.get("prediction_type")
    return Beside(
        unet_heads=Heads(count=_number(read_json(folder / "unet" / "config.json").get("attention_head_dim"))),
        text_heads=tuple(_number(read_json(config).get("num_attention_heads")) for config in texts),
        predicts_v=prediction == "v_prediction" if isinstance(prediction, str) else None,
        zero_terminal_snr=scheduler.get("rescale_betas_zero_snr") is True,
        shown_is_clean=read_json(folder / "transformer" / "config.json").get("zero_cond_t") is True,
    )


def _text_encoders(parameters: Any) -> list[Any]:
    """The parameters of each text encoder: SD 1.x and 2.x have one, SDXL lists them among its other conditioners."""
    single = _at(parameters, "cond_stage_config", "params")
    listed = _at(parameters, "conditioner_config", "params", "emb_models")
    several = [_at(each, "params") for each in listed if _at(each, "input_key") == "txt"] if isinstance(listed, list) else []
    return several if single is None else [single]


def _predicts_v(parameters: Any) -> bool | None:
    """SD 1.x and 2.x name the parameterization, SDXL the class that scales the prediction."""
    scaling = _at(parameters, "denoiser_config", "params", "scaling_config", "target")
    if isinstance(scaling, str):
        return scaling.endswith("VScaling")
    named = _at(parameters, "parameterization")
    return named == "v" if isinstance(named, str) else None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _text_heads(folder: Path, encoder: Any) -> int | None:
    """The heads of one text encoder: in ``<version>/config.json`` for a folder beside the checkpoint (a hub's name is none),
    or, for OpenCLIP, in ``<arch>.json`` beside the checkpoint or in a folder beside it."""
    version, arch = (_plain_name(_at(encoder, key)) for key in ("version", "arch"))
    if arch:
        for where in [folder / f"{arch}.json", *sorted(folder.glob(f"*/{glob.escape(arch)}.json"))]:
            heads = _number(_at(_json(where), "text_cfg", "heads"))
            if heads:
                return heads
    return _number(_at(_json(folder / version / "config.json"), "num_attention_heads")) if version else None


def _plain_name(value: Any) -> str:
    return "" if not isinstance(value, str) or value in (".", "..") or "/" in value or "\\" in value else value


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
