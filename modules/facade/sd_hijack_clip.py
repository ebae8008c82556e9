"""A1111's ``modules.sd_hijack_clip``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "FrozenCLIPEmbedderWithCustomWordsBase FrozenCLIPEmbedderWithCustomWords FrozenCLIPEmbedderForSDXLWithCustomWords TextConditionalModel PromptChunk PromptChunkFix")
