"""Libraries ask once whether torchvision is installed, and remember. They are made to ask before a stand-in of that name can be mistaken for it."""
from __future__ import annotations


def settle() -> None:
    """From now on transformers and diffusers know that there is none, whatever bears its name later."""
    from transformers.utils import import_utils

    import_utils.is_torchvision_available()
    import_utils.is_torchvision_v2_available()
