"""A1111's ``modules.sd_hijack_clip``."""
from modules.a1111.stubs import stubbed
from modules.a1111.text_stage import FrozenCLIPEmbedderForSDXLWithCustomWords, FrozenCLIPEmbedderWithCustomWords, FrozenCLIPEmbedderWithCustomWordsBase, PromptChunk, TextConditionalModel

__getattr__ = stubbed(__name__, "PromptChunkFix")
