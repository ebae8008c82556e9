"""A1111's ``modules.ui_prompt_styles``."""
from modules.a1111.stubs import stubbed
from modules.gradio_ui.foreign_toprow import UiPromptStyles

styles_edit_symbol = "\U0001f58c\uFE0F"
styles_materialize_symbol = "\U0001f4cb"
styles_copy_symbol = "\U0001f4dd"
__getattr__ = stubbed(__name__, "select_style save_style delete_style materialize_styles refresh_styles")
