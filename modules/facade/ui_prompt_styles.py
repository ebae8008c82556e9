"""A1111's ``modules.ui_prompt_styles``."""
from modules.a1111.stubs import stubbed
from modules.gradio_ui.foreign_toprow import UiPromptStyles

__getattr__ = stubbed(__name__, "select_style save_style delete_style materialize_styles refresh_styles")
