"""A1111's ``modules.ui_tempdir``."""
from modules.a1111.places import is_gradio_temp_path
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "register_tmp_file check_tmp_file save_pil_to_file install_ui_tempdir_override on_tmpdir_changed cleanup_tmpdr Savedfile")
