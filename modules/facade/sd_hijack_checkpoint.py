"""A1111's ``modules.sd_hijack_checkpoint``: it saves memory while a model is trained, which this program does not do."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "add remove BasicTransformerBlock_forward AttentionBlock_forward ResBlock_forward stored")
