"""The names that the page's scripts leave in the browser's window: A1111's, which extensions call, and one of ours."""
from __future__ import annotations

import re

from modules.gradio_ui.static_files import SCRIPTS, STATIC

NAMES = """
    activePromptTextarea addContextMenuEventListener all_gallery_buttons appendContextMenuOption args_to_array attachGalleryListeners cardClicked closeModal
    closePopup confirm_clear_prompt create_submit_args currentImg2imgSourceResolution dimensionChange extraNetworksCopyCardPath
    extraNetworksEditUserMetadata extraNetworksRefreshSingleCard extraNetworksRefreshTab extraNetworksRequestMetadata extraNetworksShowMetadata
    extract_image_from_gallery formatTime gamepads getTranslation get_tab_index get_uiCurrentTab get_uiCurrentTabContent gradioApp
    ignore_ids_for_localization img2img_gallery isMobile keyupEditAttention localizeWholePage modalNextImage modalPrevImage modalTileImageToggle
    modalZoomToggle modelmerger onAfterUiUpdate onOptionsAvailable onOptionsChanged onUiLoaded onUiTabChange onUiUpdate optionsAvailableCallbacks
    optionsChangedCallbacks opts popup popupId randomId rememberGallerySelection removeContextMenuOption request requestGet requestNotifications
    requestProgress restoreProgressExtras restoreProgressImg2img restoreProgressTxt2img saveImage selectCheckpoint selected_gallery_button
    selected_gallery_index selected_gallery_index_id setTitle setupExtraNetworksForTab setupTokenCounters showModal showRestoreProgressButton
    showSubmitButtons showSubmitInterruptingPlaceholder start_training_textual_inversion submit submit_extras submit_img2img submit_txt2img_upscale switchToTab switch_to_extras
    switch_to_img2img switch_to_img2img_tab switch_to_inpaint switch_to_inpaint_sketch switch_to_sketch switch_to_txt2img titles toggleCss tryToRemoveExtraNetworkFromPrompt txt2img_gallery
    uiAfterUpdateCallbacks uiCurrentTab uiElementInSight uiElementIsVisible uiLoadedCallbacks uiTabChangeCallbacks uiUpdateCallbacks
    create_tab_index_args extraNetworksMovePromptToTab get_img2img_tab_index inputAccordionChecked isEmptyObject localGet localRemove localSet onEdit
    modalLivePreviewToggle restart_reload setRandomSeed settingsHintsShowQuicksettings showProfile switchWidthHeight updateOnBackgroundChange
    updateImg2imgResizeToTextAfterChangingImage updateInput updatePromptArea updateTooltip update_img2img_tokens update_token_counter update_txt2img_tokens
    applyZoomAndPan applyZoomAndPanIntegration extraNetworksApplyFilter extraNetworksApplySort extraNetworksControlRefreshOnClick
"""
A1111S = set(NAMES.split())
DECLARED = re.compile(r"^(?:async )?(?:var|let|const|function|class)\*? +([A-Za-z_$][\w$]*)", re.MULTILINE)


def test_our_own_names_stand_in_one_object() -> None:
    """An extension that sets ``window.gradioRoot`` broke ``gradioApp()`` for all, and one with a ``function describe()`` of its own would not run."""
    declared = {name for file in SCRIPTS for name in DECLARED.findall((STATIC / file).read_text(encoding="utf-8"))}
    assert declared - A1111S == {"webui"}
    assert not A1111S - declared, "names that A1111 has"
