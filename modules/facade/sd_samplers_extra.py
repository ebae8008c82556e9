"""A1111's ``modules.sd_samplers_extra``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "restart_sampler")
