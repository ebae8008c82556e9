"""A1111's ``modules.scripts_auto_postprocessing``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ScriptPostprocessingForMainUI create_auto_preprocessing_script_data")
