"""Where other extensions look for what makes any picture RGB."""

from internal_controlnet.hints import opaque as HWC3

__all__ = ["HWC3"]
