"""A1111's ``modules.hypernetworks.ui``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "create_hypernetwork train_hypernetwork keys")
