"""A1111's ``modules.textual_inversion.autocrop``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "crop_image focal_point image_face_points image_corner_points image_entropy_points centroid poi_average is_square download_and_cache_models PointOfInterest Settings")
