"""A1111's ``modules.generation_parameters_copypaste``: the former name of infotext_utils."""
from modules.infotext_utils import *  # noqa: F403  # pyright: ignore[reportMissingImports]
from modules.infotext_utils import __getattr__  # noqa: F401  # pyright: ignore[reportMissingImports]
