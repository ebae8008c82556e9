"""A1111's ``modules.sd_hijack_clip``."""
from modules.a1111.text_names import PromptChunkFix
from modules.a1111.text_stage import FrozenCLIPEmbedderForSDXLWithCustomWords, FrozenCLIPEmbedderWithCustomWords, FrozenCLIPEmbedderWithCustomWordsBase, PromptChunk, TextConditionalModel
