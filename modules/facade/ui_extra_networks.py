"""A1111's ``modules.ui_extra_networks``."""
from modules.a1111.network_pages import ExtraNetworksItem, ExtraNetworksPage, allowed_dirs, extra_pages, get_metadata, quote_js, register_default_pages, register_page
from modules.a1111.stubs import stubbed

tree_tpl = ""
__getattr__ = stubbed(__name__, "create_ui setup_ui ExtraNetworksUi fetch_file fetch_cover_images get_single_card add_pages_to_demo tab_name_score pages_in_preferred_order path_to_html")
