"""A1111's ``modules.sd_vae``."""
from modules.a1111.checkpoint_list import vae_dict
from modules.a1111.model_data import (
    clear_loaded_vae, find_vae_near_checkpoint, get_filename, get_loaded_vae_hash, get_loaded_vae_name, is_automatic, load_vae, load_vae_dict,
    refresh_vae_list, reload_vae_weights, resolve_vae, vae_value,
)  # fmt: skip
from modules.a1111.stubs import stubbed

vae_ignore_keys = {"model_ema.decay", "model_ema.num_updates"}
unspecified = object()
base_vae = None
loaded_vae_file = None
checkpoint_info = None
checkpoints_loaded: dict = {}
__getattr__ = stubbed(__name__, "store_base_vae restore_base_vae delete_base_vae get_base_vae VaeResolution resolve_vae_from_setting resolve_vae_from_user_metadata resolve_vae_near_checkpoint", vae_value)
