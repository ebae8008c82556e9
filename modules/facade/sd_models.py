"""A1111's ``modules.sd_models``."""
from modules.a1111.checkpoint_list import (
    CheckpointInfo, checkpoint_aliases, checkpoint_tiles, checkpoints_list, checkpoints_loaded, get_closet_checkpoint_match, list_models,
    model_hash, read_metadata as read_metadata_from_safetensors, select_checkpoint, unload_model_weights,
)  # fmt: skip
from modules.a1111.model_view import load_model, reload_model_weights
from modules.a1111.model_data import (
    SkipWritingToConfig, apply_alpha_schedule_override, apply_token_merging, get_checkpoint_state_dict, get_empty_cond, get_state_dict_from_checkpoint,
    model_data, model_value, read_state_dict, send_model_to_cpu, send_model_to_device, send_model_to_trash, load_model_weights,
)  # fmt: skip
from modules.a1111.stubs import stubbed

checkpoint_alisases = checkpoint_aliases
get_closest_checkpoint_match = get_closet_checkpoint_match
checkpoint_dict_replacements: dict = {}
checkpoint_dict_replacements_sd1: dict = {}
checkpoint_dict_skip_on_import: dict = {}
sd1_clip_weight = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
sd2_clip_weight = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
sdxl_clip_weight = "conditioner.embedders.1.model.ln_final.weight"
sdxl_refiner_clip_weight = "conditioner.embedders.0.model.ln_final.weight"
__getattr__ = stubbed(__name__, "FakeInitialModel SdModelData ModelType enable_midas_autodownload repair_config replace_key transform_checkpoint_dict_key set_model_type set_model_fields reuse_model_from_already_loaded instantiate_from_config get_obj_from_str rescale_zero_terminal_snr_abar check_fp8 move_model do_inpainting_hijack setup_model", model_value)
