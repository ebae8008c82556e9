"""A1111's ``modules.deepbooru``."""
import re

from modules.a1111.stubs import stubbed

re_special = re.compile(r"([\\()])")
__getattr__ = stubbed(__name__, "model DeepDanbooru")
