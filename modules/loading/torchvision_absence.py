"""transformers asks once whether torchvision is installed, and remembers. It is made to ask while no stand-in of that name can be mistaken for it."""
from __future__ import annotations

import sys
from typing import Any

from modules.extension_host.then_loader import once_loaded

_ASKED = "transformers.utils.import_utils"
_NAME = "torchvision"


def settle() -> None:
    """transformers knows that there is none, whatever bears its name: at once where it is imported already, else as soon as it is, before anybody else can ask."""
    once_loaded(_ASKED, _ask)


def _ask(module: Any) -> None:
    stand_in = sys.modules.pop(_NAME, None)
    try:
        module.is_torchvision_available()
        module.is_torchvision_v2_available()
    finally:
        if stand_in is not None:
            sys.modules[_NAME] = stand_in
