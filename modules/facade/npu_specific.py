"""A1111's ``modules.npu_specific``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "has_npu get_npu_device_string torch_npu_gc check_for_npu")
