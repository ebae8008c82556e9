"""A1111's ``modules.sub_quadratic_attention``."""
from modules.a1111.attention_names import efficient_dot_product_attention
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "narrow_trunc AttnChunk SummarizeChunk ComputeQueryChunkAttn")
