"""A1111's ``modules.esrgan_model``."""
from modules.a1111.model_upscaling import UpscalerESRGAN, esrgan_upscale
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
