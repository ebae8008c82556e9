"""A1111's ``modules.shared_init``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "initialize")
