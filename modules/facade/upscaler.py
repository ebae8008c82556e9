"""A1111's ``modules.upscaler``."""
from modules.a1111.upscaling import NEAREST, LANCZOS, Upscaler, UpscalerData, UpscalerLanczos, UpscalerNearest, UpscalerNone
