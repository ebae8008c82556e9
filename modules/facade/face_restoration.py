"""A1111's ``modules.face_restoration``."""
from modules.a1111.face_restorers import FaceRestoration, restore_faces
