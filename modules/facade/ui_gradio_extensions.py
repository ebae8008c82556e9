"""A1111's ``modules.ui_gradio_extensions``."""
from modules.gradio_ui.foreign_panels import css_html, javascript_html, webpath
from modules.a1111.stubs import stubbed

GradioTemplateResponseOriginal = None
__getattr__ = stubbed(__name__, "reload_javascript")
