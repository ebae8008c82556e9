"""A1111's ``modules.initialize``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "imports check_versions initialize initialize_rest")
