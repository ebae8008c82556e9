"""A1111's ``modules.xpu_specific``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "has_xpu get_xpu_device_string torch_xpu_gc return_xpu")
