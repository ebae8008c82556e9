"""Where other extensions look for the lists of models."""

from internal_controlnet.lists import cn_models, cn_models_dir, cn_models_names, select_control_type, update_cn_models

__all__ = ["cn_models", "cn_models_dir", "cn_models_names", "select_control_type", "update_cn_models"]
