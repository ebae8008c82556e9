"""A1111's ``modules.ui_extra_networks``."""
from modules.a1111.network_pages import (
    ExtraNetworksItem, ExtraNetworksPage, ExtraNetworksUi, allowed_dirs, allowed_preview_extensions, allowed_preview_extensions_with_extra, create_ui,
    default_allowed_preview_extensions, extra_pages, get_metadata, get_tree, quote_js, register_default_pages, register_page, setup_ui,
)  # fmt: skip
from modules.a1111.stubs import stubbed

tree_tpl = ""
__getattr__ = stubbed(__name__, "fetch_file fetch_cover_images get_single_card add_pages_to_demo tab_name_score pages_in_preferred_order path_to_html")
