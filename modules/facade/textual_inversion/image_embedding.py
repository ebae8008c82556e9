"""A1111's ``modules.textual_inversion.image_embedding``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "EmbeddingEncoder EmbeddingDecoder embedding_to_b64 embedding_from_b64 lcg xor_block style_block insert_image_data_embed crop_black extract_image_data_embed caption_image_overlay")
