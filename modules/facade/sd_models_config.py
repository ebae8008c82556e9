"""A1111's ``modules.sd_models_config``: here a checkpoint is recognised from its tensors, not by a YAML file."""
from modules.a1111.config_names import config_files, find_checkpoint_config, find_checkpoint_config_near_filename
from modules.a1111.stubs import late_values, stubbed

__getattr__ = stubbed(__name__, "guess_model_config_from_state_dict is_using_v_parameterization_for_sd2", late_values(config_files()))
