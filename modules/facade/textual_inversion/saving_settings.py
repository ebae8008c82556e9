"""A1111's ``modules.textual_inversion.saving_settings``."""
from modules.a1111.stubs import stubbed
from modules.a1111.training_records import (
    save_settings_to_file, saved_params_all, saved_params_hypernet, saved_params_previews, saved_params_shared, saved_params_ti,
)  # fmt: skip

__getattr__ = stubbed(__name__, "")
