"""A1111's ``modules.mac_specific``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "check_for_mps torch_mps_gc has_mps cumsum_fix interpolate_with_fp32_fallback")
