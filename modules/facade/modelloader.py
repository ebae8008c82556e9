"""A1111's ``modules.modelloader``."""
from modules.a1111.model_upscaling import load_spandrel_model
from modules.a1111.upscaling import (
    Upscaler, UpscalerLanczos, UpscalerNearest, UpscalerNone, cleanup_models, friendly_name, load_file_from_url, load_models,
)  # fmt: skip
from modules.a1111.upscaler_list import load_upscalers
from modules.a1111.stubs import stubbed

forbidden_upscaler_classes: set = set()
__getattr__ = stubbed(__name__, "list_builtin_upscalers")
