"""A1111's ``modules.sd_models_xl``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "get_learned_conditioning apply_model extend_sdxl encode_embedding_init_text tokenize process_texts get_target_prompt_token_count")
