"""A1111's ``modules.paths``."""
from modules.a1111.places import NAMES
from modules.a1111.stubs import late_values, stubbed

__getattr__ = stubbed(__name__, "Prioritize mute_sdxl_imports", late_values(NAMES))
