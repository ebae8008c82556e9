"""A1111's ``modules.sd_samplers_cfg_denoiser``."""
from modules.a1111.kdiffusion import CFGDenoiser
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "catenate_conds subscript_cond pad_cond")
