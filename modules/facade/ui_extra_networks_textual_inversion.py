"""A1111's ``modules.ui_extra_networks_textual_inversion``."""
from modules.a1111.network_pages import ExtraNetworksPageTextualInversion as ExtraNetworksPageTextualInversion
