"""A1111's ``modules.ui_extra_networks_checkpoints``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ExtraNetworksPageCheckpoints")
