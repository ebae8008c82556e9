"""A1111's ``modules.models.diffusion``."""
from modules.a1111.stubs import submodules

__getattr__ = submodules(__name__)
