"""A1111's ``modules.ui_loadsave``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "UiLoadsave radio_choices")
