"""A1111's ``modules.shared``: settings, flags, state and the model, by its names."""
import sys
from types import ModuleType

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.hypernetwork_names import hypernetworks, reload_hypernetworks
from modules.a1111.interrogators import interrogator
from modules.a1111.option_info import OptionHTML, OptionInfo, options_section
from modules.a1111.options import Options, opts
from modules.a1111.shared_values import (
    face_restorers, html, latent_upscale_default_mode, latent_upscale_modes, list_checkpoint_tiles, list_samplers, listfiles, log, mem_mon,
    natural_sort_key, refresh_checkpoints, sd_upscalers, shared_value, total_tqdm, walk_files, walk_image_files,
)  # fmt: skip
from modules.a1111.state import State, state
from modules.a1111.stubs import stubbed

progress_print_out = sys.stdout
parallel_processing_allowed = True
xformers_available = False
loaded_hypernetworks: list = []
settings_components: dict = {}
tab_names: list = []
clip_model = None
hide_dirs = {"visible": True}
restricted_opts = None
sd_hypernetworks = None

def _late(name):
    if name != "gradio_theme":
        return shared_value(name)
    from modules.gradio_ui.theme import theme_in_use        # Gradio is read when a theme is asked for

    return theme_in_use(current()) if is_occupied() else None

class _Shared(ModuleType):
    def __setattr__(self, name, value):
        """``sd_model = None`` is how mergers let the model go: as in A1111 the next look finds the one in use."""
        super().__setattr__(name, value)
        if name == "sd_model" and value is None:
            delattr(self, name)


sys.modules[__name__].__class__ = _Shared
__getattr__ = stubbed(__name__, "", _late)
