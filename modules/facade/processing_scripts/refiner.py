"""A1111's ``modules.processing_scripts.refiner``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ScriptRefiner")
