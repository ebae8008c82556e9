"""A1111's ``modules.textual_inversion.image_embedding``."""
from modules.a1111.embedding_cards import (
    EmbeddingDecoder, EmbeddingEncoder, caption_image_overlay, embedding_from_b64, embedding_to_b64, extract_image_data_embed, insert_image_data_embed,
)  # fmt: skip
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "lcg xor_block style_block crop_black")
