"""A1111's ``modules.processing_scripts.seed``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ScriptSeed connect_reuse_seed")
