"""A1111's ``modules.textual_inversion.ui``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "create_embedding train_embedding")
