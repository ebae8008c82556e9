"""A1111's ``modules.upscaler_utils``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "pil_image_to_torch_bgr torch_bgr_to_pil_image upscale_pil_patch upscale_with_model tiled_upscale_2 upscale_2")
