"""A1111's ``modules.sub_quadratic_attention``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "efficient_dot_product_attention narrow_trunc AttnChunk SummarizeChunk ComputeQueryChunkAttn")
