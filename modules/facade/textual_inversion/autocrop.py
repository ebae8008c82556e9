"""A1111's ``modules.textual_inversion.autocrop``."""
from modules.a1111.cropping_names import (
    PointOfInterest, Settings, centroid, crop_image, download_and_cache_models, focal_point, image_corner_points, image_entropy_points, image_face_points,
    is_landscape, is_portrait, is_square, poi_average,
)  # fmt: skip
from modules.a1111.stubs import stubbed

GREEN, BLUE, RED = "#0F0", "#00F", "#F00"
__getattr__ = stubbed(__name__, "image_entropy")
