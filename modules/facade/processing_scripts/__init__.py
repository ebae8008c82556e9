"""A1111's ``modules.processing_scripts``."""
