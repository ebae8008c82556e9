"""A1111's ``modules.localization``."""
from modules.a1111.shared_values import list_localizations, localization_js
from modules.a1111.stubs import late_values, stubbed

localizations: dict = {}
