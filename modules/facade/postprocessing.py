"""A1111's ``modules.postprocessing``."""
from modules.a1111.extras_functions import run_extras, run_postprocessing, run_postprocessing_webui
