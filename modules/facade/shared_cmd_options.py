"""A1111's ``modules.shared_cmd_options``."""
from modules.a1111.flag_parser import parser
from modules.a1111.places import command_line
from modules.a1111.stubs import late_values, stubbed

__getattr__ = stubbed(__name__, "", late_values({"cmd_opts": command_line}))
