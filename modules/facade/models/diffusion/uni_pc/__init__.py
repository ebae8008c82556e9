"""A1111's ``modules.models.diffusion.uni_pc``."""
from modules.a1111.stubs import UNKNOWN, stubbed, submodules

_parts = submodules(__name__)
__getattr__ = stubbed(__name__, "UniPCSampler", lambda name: _parts(name) if name in ("sampler", "uni_pc") else UNKNOWN)
