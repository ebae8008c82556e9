"""A1111's ``modules.ui_extra_networks_hypernets``."""
from modules.a1111.network_pages import ExtraNetworksPageHypernetworks as ExtraNetworksPageHypernetworks
