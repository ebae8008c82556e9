"""Where other extensions look for the units on the page."""

from internal_controlnet.panel_groups import ControlNetUiGroup, UiControlNetUnit

__all__ = ["ControlNetUiGroup", "UiControlNetUnit"]
