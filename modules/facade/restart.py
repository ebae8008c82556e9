"""A1111's ``modules.restart``."""
from modules.a1111.shared_values import is_restartable, restart_program, stop_program
