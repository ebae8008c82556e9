"""A1111's ``modules.ui_checkpoint_merger``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "UiCheckpointMerger update_interp_description modelmerger")
