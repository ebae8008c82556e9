"""A1111's ``modules.sd_samplers_extra``."""
from modules.a1111.kdiffusion_names import restart_sampler
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
