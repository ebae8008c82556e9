"""A1111's ``modules.ui_tempdir``."""
from modules.a1111.places import is_gradio_temp_path
from modules.a1111.stubs import stubbed
from modules.a1111.temp_files import (
    Savedfile, check_tmp_file, cleanup_tmpdr, install_ui_tempdir_override, on_tmpdir_changed, register_tmp_file, save_pil_to_file,
)  # fmt: skip

__getattr__ = stubbed(__name__, "")
