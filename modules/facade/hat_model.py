"""A1111's ``modules.hat_model``."""
from modules.a1111.model_upscaling import UpscalerHAT
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
