"""A1111's ``modules.sd_unet``."""
from modules.a1111.unet_choice import (
    SdUnet, SdUnetOption, apply_unet, create_unet_forward, current_unet, current_unet_option, get_unet_option, list_unets, original_forward, unet_options,
)  # fmt: skip
