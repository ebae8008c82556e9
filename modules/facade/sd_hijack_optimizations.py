"""A1111's ``modules.sd_hijack_optimizations``: but for few, not a part of this program."""
from modules.a1111.attention_choice import SdOptimization
from modules.a1111.attention_names import get_xformers_flash_attention_op, sub_quad_attention
from modules.a1111.device_names import get_available_vram as get_available_vram
from modules.a1111.stubs import stubbed


def list_optimizers(res: list) -> None:
    """A1111 lists its own here; ours are the compute policy's."""


__getattr__ = stubbed(__name__, "SdOptimizationXformers SdOptimizationSdp SdOptimizationSdpNoMem SdOptimizationSubQuad SdOptimizationV1 SdOptimizationInvokeAI SdOptimizationDoggettx split_cross_attention_forward split_cross_attention_forward_v1 split_cross_attention_forward_invokeAI sub_quad_attention_forward xformers_attention_forward scaled_dot_product_attention_forward scaled_dot_product_no_mem_attention_forward cross_attention_attnblock_forward xformers_attnblock_forward sdp_attnblock_forward sdp_no_mem_attnblock_forward sub_quad_attnblock_forward einsum_op")
