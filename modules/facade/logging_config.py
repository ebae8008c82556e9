"""A1111's ``modules.logging_config``: the program sets up its log itself."""
from modules.a1111.shared_values import setup_logging
