"""A1111's ``modules.gradio_extensons``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "add_classes_to_gradio_component IOComponent_init BlockContext_init Blocks_get_config_file Block_get_config original_IOComponent_init")
