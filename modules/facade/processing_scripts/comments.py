"""A1111's ``modules.processing_scripts.comments``."""
from modules.engine.prompt_comments import strip_comments
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "ScriptStripComments")
