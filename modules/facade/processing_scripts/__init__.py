"""A1111's ``modules.processing_scripts``."""
from modules.a1111.stubs import submodules

__getattr__ = submodules(__name__)
