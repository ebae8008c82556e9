"""Where other extensions look for the ways in which a unit takes its pictures."""

from internal_controlnet.enums import InputMode as InputMode
