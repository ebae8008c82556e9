"""A1111's ``modules.cmd_args``: the parser with every flag."""
from modules.a1111.flag_parser import parser
