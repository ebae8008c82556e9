"""A1111's ``modules.script_loading``."""
from modules.a1111.extension_list import preload_extensions
from modules.a1111.foreign_packages import load_module

loaded_scripts: dict = {}
