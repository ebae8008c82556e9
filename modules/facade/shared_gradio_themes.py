"""A1111's ``modules.shared_gradio_themes``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "reload_gradio_theme resolve_var gradio_hf_hub_themes")
