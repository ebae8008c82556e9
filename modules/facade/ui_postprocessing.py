"""A1111's ``modules.ui_postprocessing``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "create_ui")
