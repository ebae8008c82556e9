"""A1111's ``modules.textual_inversion``."""
from modules.a1111.stubs import submodules

__getattr__ = submodules(__name__)
