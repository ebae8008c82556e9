"""A1111's ``modules.face_restoration_utils``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "CommonFaceRestoration restore_with_face_helper create_face_helper bgr_image_to_rgb_tensor rgb_tensor_to_bgr_image patch_facexlib")
