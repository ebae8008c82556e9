"""A1111's ``modules.shared_state``."""
from modules.a1111.state import State, state
