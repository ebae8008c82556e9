"""A1111's ``cmd_args.parser``: an argparse parser with every flag, for extensions that add to it or ask it."""
from __future__ import annotations

from modules.schema.flags import make_parser

parser = make_parser()
