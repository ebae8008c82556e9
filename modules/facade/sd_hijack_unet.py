"""A1111's ``modules.sd_hijack_unet``: ``th`` is asked where the UNet joins its two sides."""
from modules.a1111.stubs import stubbed
from modules.engine.ldm_layers import TorchForUnet as TorchHijackForUnet
from modules.engine.ldm_layers import th

__getattr__ = stubbed(__name__, "apply_model timestep_embedding spatial_transformer_forward GELUHijack hijack_timestep_embedding hijack_ddpm_edit")
