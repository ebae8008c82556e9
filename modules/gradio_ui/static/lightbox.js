// A picture on the full page: arrows move, Z zooms, T tiles, S saves, Esc closes. A1111's ids and names for extensions.

/* exported showModal, closeModal, modalNextImage, modalPrevImage, modalZoomToggle, modalTileImageToggle, modalLivePreviewToggle, saveImage, updateOnBackgroundChange */

webui.lightbox = {gallery: null};

function showModal(event) {
    const picture = event.target || event.srcElement;
    webui.lightbox.gallery = picture.closest("[id$=_gallery]");
    webui.lightbox.show(picture.src);
    const modal = document.getElementById("lightboxModal");
    modal.style.setProperty("--bar", opts.sd_webui_modal_lightbox_toolbar_opacity ?? 0.9);
    modal.style.setProperty("--icons", opts.sd_webui_modal_lightbox_icon_opacity ?? 1);
    webui.lightbox.tellLivePreview();
    modal.style.display = "flex";
    modal.classList.toggle("zoomed", opts.js_modal_lightbox_initially_zoomed !== false);
    modal.focus();
    event.stopPropagation();
    event.preventDefault?.();
}

function closeModal() {
    const modal = document.getElementById("lightboxModal");
    if (modal) {
        modal.style.display = "none";
    }
}

webui.lightbox.isOpen = () => document.getElementById("lightboxModal")?.style.display === "flex";

webui.lightbox.show = function(source) {
    document.getElementById("modalImage").src = source;
    document.getElementById("lightboxModal").style.setProperty("--picture", `url("${source.replace(/"/g, "%22")}")`);
};

// A picture that was finished while the viewer is open takes its place there, unless the viewer follows one that is being made.
function updateOnBackgroundChange() {
    const gallery = webui.lightbox.gallery;
    const chosen = webui.lightbox.isOpen() && gallery?.querySelector(".thumbnail-item.selected img, .preview img");
    const isMade = Array.from(document.querySelectorAll(".livePreview")).some((each) => each.parentElement.contains(gallery));
    if (chosen && !(opts.js_live_preview_in_modal_lightbox && isMade) && chosen.src !== document.getElementById("modalImage").src) {
        webui.lightbox.show(chosen.src);
    }
}

onAfterUiUpdate(updateOnBackgroundChange);

webui.lightbox.step = function(by) {
    const buttons = Array.from(webui.lightbox.gallery?.querySelectorAll(".thumbnails > .thumbnail-item") || []);
    if (buttons.length < 2) {
        return;
    }
    const at = buttons.findIndex((button) => button.classList.contains("selected"));
    const next = buttons[(at + by + buttons.length) % buttons.length];
    next.click();
    webui.lightbox.show(next.querySelector("img").src);
};

function modalNextImage(event) {
    webui.lightbox.step(1);
    event?.stopPropagation();
}

function modalPrevImage(event) {
    webui.lightbox.step(-1);
    event?.stopPropagation();
}

function modalZoomToggle(event) {
    document.getElementById("lightboxModal").classList.toggle("zoomed");
    event?.stopPropagation();
}

function modalTileImageToggle(event) {
    document.getElementById("lightboxModal").classList.toggle("tiled");
    event?.stopPropagation();
}

// Whether the viewer follows the picture that is being made; on this page, until it is loaded anew.
function modalLivePreviewToggle(event) {
    opts.js_live_preview_in_modal_lightbox = !opts.js_live_preview_in_modal_lightbox;
    webui.lightbox.tellLivePreview();
    event?.stopPropagation();
}

webui.lightbox.tellLivePreview = function() {
    const button = document.getElementById("modal_toggle_live_preview");
    button.setAttribute("aria-pressed", String(Boolean(opts.js_live_preview_in_modal_lightbox)));
    button.textContent = opts.js_live_preview_in_modal_lightbox ? "◉" : "○";
};

// The Save button of the tab whose picture is shown.
function saveImage() {
    const tab = webui.lightbox.gallery?.id.replace(/_gallery$/, "");
    document.getElementById(`save_${tab}`)?.click();
}

webui.lightbox.build = function() {
    const control = (id, words, title, act) => webui.make("button", {type: "button", id, class: "cursor", text: words, title, "aria-label": title, onclick: (event) => {
        event.stopPropagation();
        act(event);
    }});
    const controls = webui.make("div", {class: "modalControls gradio-container"},
        control("modal_zoom", "⤢", "Zoom (Z)", modalZoomToggle), control("modal_tile_image", "⊞", "Tile (T)", modalTileImageToggle),
        control("modal_save", "⤓", "Save (S)", saveImage), control("modal_toggle_live_preview", "○", "Follow the picture that is being made", modalLivePreviewToggle),
        control("modal_close", "×", "Close (Esc)", closeModal));
    const modal = webui.make("div", {id: "lightboxModal", role: "dialog", "aria-modal": "true", "aria-label": "Picture", tabindex: "0", onclick: closeModal},
        controls, control("modal_prev", "❮", "Former picture (←)", modalPrevImage),
        webui.make("img", {id: "modalImage", alt: "The chosen picture"}),
        control("modal_next", "❯", "Next picture (→)", modalNextImage));
    modal.querySelector("#modal_prev").classList.add("modalPrev");
    modal.querySelector("#modal_next").classList.add("modalNext");
    webui.lightbox.takeSwipes(modal);
    document.body.append(modal);
};

// There before it is first shown, as in A1111: extensions put buttons of theirs into it as soon as the page is there.
document.addEventListener("DOMContentLoaded", webui.lightbox.build);

// A finger drawn across a picture steps to the next one; one that is magnified it moves, as anywhere.
webui.lightbox.takeSwipes = function(modal) {
    const magnified = () => (visualViewport?.scale ?? 1) > 1.01;
    const choose = () => { modal.style.touchAction = magnified() ? "" : "pan-y pinch-zoom"; };
    let start = null;
    visualViewport?.addEventListener("resize", choose);
    choose();
    modal.addEventListener("touchstart", (event) => { start = event.touches.length === 1 && !magnified() ? event.touches[0] : null; }, {passive: true});
    modal.addEventListener("touchend", (event) => {
        const end = event.changedTouches[0], [x, y] = start ? [end.clientX - start.clientX, end.clientY - start.clientY] : [0, 0];
        if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) {
            webui.lightbox.step(x < 0 ? 1 : -1);
        }
    }, {passive: true});
};

webui.lightbox.key = function(event) {
    const act = {ArrowLeft: modalPrevImage, ArrowRight: modalNextImage, Escape: closeModal, s: saveImage, S: saveImage, z: modalZoomToggle, Z: modalZoomToggle,
        t: modalTileImageToggle, T: modalTileImageToggle}[event.key];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        event.stopPropagation();
        act();
    }
};

// Wherever the focus is: a step to the next picture leaves it on that one's thumbnail.
document.addEventListener("keydown", (event) => webui.lightbox.isOpen() && webui.lightbox.key(event), true);

// The gallery's large picture where a click meets it, or null.
webui.lightbox.clicked = function({target}) {
    const picture = target instanceof HTMLImageElement ? target : target instanceof Element ? target.closest("button.media-button")?.querySelector("img") : null;
    return picture?.closest(".gradio-gallery .preview") && !picture.closest(".thumbnails") ? picture : null;
};

// Clicks on it, before Gradio takes them for a step to the next one.
document.addEventListener("click", (event) => {
    const picture = webui.ready && opts.js_modal_lightbox !== false && webui.lightbox.clicked(event);
    if (picture) {
        event.preventDefault();
        event.stopPropagation();
        showModal({target: picture, stopPropagation() {}});
    }
}, true);

// The middle button opens the picture in a tab of its own, as it does with links.
document.addEventListener("mousedown", (event) => {
    const picture = event.button === 1 && (event.target.id === "modalImage" ? event.target : webui.lightbox.clicked(event));
    if (picture) {
        event.preventDefault();
        window.open(picture.src);
    }
}, true);
