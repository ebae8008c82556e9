"""A1111's ``modules.sd_hijack``."""
from modules.a1111.attention_choice import apply_optimizations, list_optimizers, optimizers, undo_optimizations
from modules.a1111.stubs import stubbed
from modules.a1111.text_names import StableDiffusionModelHijack, model_hijack

current_optimizer = None
diffusionmodules_model_AttnBlock_forward = None
attention_CrossAttention_forward = None
__getattr__ = stubbed(__name__, "EmbeddingsWithFixes TextualInversionEmbeddings fix_checkpoint weighted_loss weighted_forward apply_weighted_forward undo_weighted_forward add_circular_option_to_conv_2d register_buffer create_sd_hijack_optimizations sd_hijack_optimizations")
