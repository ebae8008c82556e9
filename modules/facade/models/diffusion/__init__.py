"""A1111's ``modules.models.diffusion``."""
