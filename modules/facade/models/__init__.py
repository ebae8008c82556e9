"""A1111's ``modules.models``."""
