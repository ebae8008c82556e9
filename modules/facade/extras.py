"""A1111's ``modules.extras``."""
from modules.a1111.infotext_names import run_pnginfo
from modules.a1111.merging_function import run_modelmerger
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "create_config checkpoint_dict_skip_on_import to_half read_metadata")
