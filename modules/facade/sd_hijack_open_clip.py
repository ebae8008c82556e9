"""A1111's ``modules.sd_hijack_open_clip``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "FrozenOpenCLIPEmbedderWithCustomWords FrozenOpenCLIPEmbedder2WithCustomWords tokenizer")
