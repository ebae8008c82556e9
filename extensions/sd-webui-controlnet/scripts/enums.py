"""Where other extensions look for the words of a unit's fields."""

from internal_controlnet.enums import *  # noqa: F403
