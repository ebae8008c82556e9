"""A1111's ``modules.sd_hijack_unet``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "th TorchHijackForUnet apply_model timestep_embedding spatial_transformer_forward GELUHijack hijack_timestep_embedding hijack_ddpm_edit")
