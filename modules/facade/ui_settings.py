"""A1111's ``modules.ui_settings``."""
from modules.gradio_ui.foreign_panels import create_setting_component, get_value_for_setting
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "UiSettings")
