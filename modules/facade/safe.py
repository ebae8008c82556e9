"""A1111's ``modules.safe``: loading pickled tensors. torch itself refuses code in them now."""
from modules.a1111.file_facts import Extra, check_pt, check_zip_filenames, load, load_with_extra, unsafe_torch_load
from modules.a1111.stubs import stubbed

global_extra_handler = None
__getattr__ = stubbed(__name__, "RestrictedUnpickler encode TypedStorage")
