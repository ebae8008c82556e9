"""A1111's ``modules.scripts_postprocessing``."""
from modules.a1111.extras_functions import ScriptPostprocessingRunner
from modules.a1111.postprocessing_scripts import PostprocessedImage, PostprocessedImageSharedInfo, ScriptPostprocessing
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "wrap_call")
