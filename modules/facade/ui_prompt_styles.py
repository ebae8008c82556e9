"""A1111's ``modules.ui_prompt_styles``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "UiPromptStyles select_style save_style delete_style materialize_styles refresh_styles")
