"""A1111's ``modules.upscaler_utils``."""
from modules.a1111.model_upscaling import pil_image_to_torch_bgr, tiled_upscale_2, torch_bgr_to_pil_image, upscale_2, upscale_pil_patch, upscale_with_model
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
