"""A1111's ``modules.ui_extensions``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "create_ui install_extension_from_url extension_table refresh_available_extensions apply_and_restart check_updates save_config_state normalize_git_url check_access")
