"""A1111's ``modules.config_states``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "all_config_states list_config_states get_webui_config get_extension_config get_config restore_webui_config restore_extension_config")
