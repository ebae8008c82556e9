"""Where other extensions look for ControlNet's names."""

from internal_controlnet.external_code import *  # noqa: F403
