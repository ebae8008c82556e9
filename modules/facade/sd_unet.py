"""A1111's ``modules.sd_unet``."""
from modules.a1111.unet_choice import (
    SdUnet, SdUnetOption, apply_unet, create_unet_forward, get_unet_option, list_unets, now as __getattr__, original_forward, unet_options,
)  # fmt: skip
