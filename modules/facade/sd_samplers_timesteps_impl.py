"""A1111's ``modules.sd_samplers_timesteps_impl``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ddim ddim_cfgpp plms unipc UniPCCFG")
