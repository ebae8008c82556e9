"""A1111's ``modules.models.diffusion.uni_pc.sampler``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "UniPCSampler")
