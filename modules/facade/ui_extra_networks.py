"""A1111's ``modules.ui_extra_networks``."""
from modules.a1111.network_pages import ExtraNetworksItem, ExtraNetworksPage, ExtraNetworksUi, allowed_dirs, create_ui, extra_pages, get_metadata, quote_js, register_default_pages, register_page, setup_ui
from modules.a1111.stubs import stubbed

tree_tpl = ""
__getattr__ = stubbed(__name__, "fetch_file fetch_cover_images get_single_card add_pages_to_demo tab_name_score pages_in_preferred_order path_to_html")
