"""A1111's ``modules.textual_inversion.learn_schedule``."""
from modules.a1111.stubs import stubbed
from modules.a1111.training_sets import LearnRateScheduler, LearnScheduleIterator

__getattr__ = stubbed(__name__, "")
