"""A1111's ``modules.face_restoration``."""
from modules.a1111.upscaling import FaceRestoration, restore_faces
