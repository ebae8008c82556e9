"""A1111's ``modules.sd_vae_taesd``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "TAESD TAESDDecoder TAESDEncoder decoder_model encoder_model download_model conv Clamp Block decoder encoder")
