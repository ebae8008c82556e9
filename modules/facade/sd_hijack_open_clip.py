"""A1111's ``modules.sd_hijack_open_clip``."""
from modules.a1111.stubs import stubbed
from modules.a1111.text_stage import FrozenOpenCLIPEmbedder2WithCustomWords, FrozenOpenCLIPEmbedderWithCustomWords

__getattr__ = stubbed(__name__, "tokenizer")
