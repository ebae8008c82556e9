"""A1111's ``modules.extensions``."""
from modules.a1111.extension_list import Extension, ExtensionMetadata, active, find_extension, list_extensions
from modules.a1111.extension_list import extension_value
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "CallbackOrderInfo", extension_value)
