"""What A1111 users keep beside a checkpoint: ``NAME.yaml`` in the original training format, and the text config it names."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the files beside a checkpoint say; None where they say nothing."""

    unet_heads: int | None = None
    text_heads: int | None = None
    is_v_prediction: bool = False


def read_beside(checkpoint: Path) -> Beside:
    """Read ``NAME.yaml``; a missing or damaged one says nothing (the latter is logged)."""
    where = checkpoint.with_suffix(".yaml")
    try:
        document: Any = yaml.safe_load(where.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Beside()
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        log.warning("%s is ignored: it cannot be read (%s)", where, str(error).splitlines()[0])
        return Beside()
    parameters = _at(document, "model", "params")
    version = _at(parameters, "cond_stage_config", "params", "version")
    return Beside(
        unet_heads=_number(_at(parameters, "unet_config", "params", "num_heads")),
        text_heads=_text_heads(checkpoint.parent, version),
        is_v_prediction=_at(parameters, "parameterization") == "v",
    )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _text_heads(folder: Path, version: Any) -> int | None:
    """The heads in ``<version>/config.json``, where ``version`` is a folder beside the checkpoint; a hub's name is not."""
    if not isinstance(version, str) or version in ("", ".", "..") or "/" in version or "\\" in version:
        return None
    try:
        return _number(_at(json.loads((folder / version / "config.json").read_text(encoding="utf-8")), "num_attention_heads"))
    except (OSError, ValueError, RecursionError):
        return None
