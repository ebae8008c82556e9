"""A1111's ``modules.paths_internal``."""
from modules.a1111.flag_parser import parser
from modules.a1111.places import NAMES, command_line
from modules.a1111.stubs import late_values, stubbed

__getattr__ = stubbed(__name__, "", late_values({**NAMES, "cmd_opts_pre": command_line}))
