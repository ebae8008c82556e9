"""A1111's ``modules.patches``: replacing a function so that it can be put back."""
from modules.a1111.replaced import original, patch, undo

originals: dict = {}
