"""A1111's ``modules.textual_inversion.saving_settings``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "save_settings_to_file saved_params_shared saved_params_ti saved_params_hypernet saved_params_all saved_params_previews")
