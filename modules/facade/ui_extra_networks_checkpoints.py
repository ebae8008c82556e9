"""A1111's ``modules.ui_extra_networks_checkpoints``."""
from modules.a1111.network_pages import ExtraNetworksPageCheckpoints as ExtraNetworksPageCheckpoints
