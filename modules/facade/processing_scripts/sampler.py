"""A1111's ``modules.processing_scripts.sampler``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ScriptSampler")
