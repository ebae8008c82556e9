"""A1111's ``modules.sd_samplers_cfg_denoiser``."""
from modules.a1111.cond_parts import catenate_conds, pad_cond, subscript_cond
from modules.a1111.kdiffusion import CFGDenoiser
