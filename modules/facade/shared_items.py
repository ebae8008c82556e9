"""A1111's ``modules.shared_items``: lists for settings and dropdowns."""
from modules.a1111.shared_values import callbacks_order_settings, list_checkpoint_tiles, list_samplers, realesrgan_models_names, sd_vae_items, ui_reorder_categories_builtin_items, ui_reorder_categories
from modules.a1111.checkpoint_list import list_models as refresh_vae_list
from modules.a1111.infotext_names import get_infotext_names
from modules.a1111.unet_choice import list_unets as refresh_unet_list, unet_items as sd_unet_items
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "dat_models_names postprocessing_scripts cross_attention_optimizations list_crossattention_optimizers ui_reorder_categories shared_items")
