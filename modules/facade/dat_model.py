"""A1111's ``modules.dat_model``."""
from modules.a1111.model_upscaling import UpscalerDAT, get_dat_models
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
