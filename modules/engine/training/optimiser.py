"""AdamW, and its state between two trainings."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)
_NAME = "AdamW"


class Optimiser:
    """Moves ``parameters``. weight_decay: torch's usual one where None."""

    def __init__(self, parameters: Sequence[Tensor], *, weight_decay: float | None = None) -> None:
        how: dict[str, Any] = {} if weight_decay is None else {"weight_decay": weight_decay}
        self.of_torch = torch.optim.AdamW(list(parameters), **how)

    def kept(self, mark: str) -> bytes:
        """A file in A1111's form. mark: of what was learnt."""
        file = io.BytesIO()
        torch.save({"hash": mark, "optimizer_name": _NAME, "optimizer_state_dict": self.of_torch.state_dict()}, file, _use_new_zipfile_serialization=False)
        return file.getvalue()

    def take_up(self, kept: bytes, mark: str) -> bool:
        """The state in ``kept``, where it belongs to what bears ``mark``; whether it does. What cannot be read is told and left."""
        try:
            found = torch.load(io.BytesIO(kept), map_location="cpu", weights_only=True)
            if found.get("hash") != mark:
                return False
            self.of_torch.load_state_dict(found["optimizer_state_dict"])
        except Exception as error:          # torch's reader ends in any of them where a file is damaged
            log.warning("the optimiser begins anew: its state cannot be read (%s)", str(error)[:200])
            return False
        return True
