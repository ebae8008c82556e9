"""A1111's ``modules.scripts_postprocessing``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "PostprocessedImage PostprocessedImageSharedInfo ScriptPostprocessing ScriptPostprocessingRunner wrap_call")
