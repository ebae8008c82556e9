"""A1111's ``modules.models.sd3``."""
