"""A1111's ``modules.realesrgan_model``."""
from modules.a1111.model_upscaling import UpscalerRealESRGAN, get_realesrgan_models
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
