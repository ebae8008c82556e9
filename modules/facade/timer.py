"""A1111's ``modules.timer``."""
from modules.a1111.timing import Timer, TimerSubcategory

startup_timer = Timer()
startup_record = None
