"""A1111's ``modules.extra_networks_hypernet``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ExtraNetworkHypernet")
