"""A1111's ``modules.ui_extra_networks_user_metadata``."""
from modules.a1111.network_pages import UserMetadataEditor
