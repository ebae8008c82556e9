"""A1111's ``modules.sd_hijack_utils``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "CondFunc always_true_func")
