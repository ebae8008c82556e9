"""A1111's ``modules.sd_unet``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "SdUnetOption SdUnet list_unets get_unet_option apply_unet create_unet_forward unet_options current_unet current_unet_option original_forward")
