"""A1111's ``modules.postprocessing``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "run_postprocessing run_postprocessing_webui run_extras")
