// More of A1111's global names that extensions use: small tools.

/* exported args_to_array, setupExtraNetworksForTab, popupId, requestGet, confirm_clear_prompt, isMobile,
   txt2img_gallery, img2img_gallery, rememberGallerySelection, setTitle, gamepads, attachGalleryListeners, currentImg2imgSourceResolution,
   updateImg2imgResizeToTextAfterChangingImage, dimensionChange, inputAccordionChecked, toggleCss, extraNetworksApplyFilter, extraNetworksApplySort, extraNetworksControlRefreshOnClick, localGet, localSet, localRemove, isEmptyObject, onEdit */

let txt2img_gallery = null;               // by let, as there: window.txt2img_gallery is the element of that id, which extensions ask for
let img2img_gallery = null;
var gamepads = [];
var extraNetworksApplyFilter = {};        // what extensions put here for a page of cards is called when its cards were read anew
var extraNetworksApplySort = {};

function args_to_array(args) {
    return Array.from(args);
}

// A1111 builds its cards' tabs here; extensions wrap this function, or call it for a tab of their own.
function setupExtraNetworksForTab(tabname) {
    return webui.find(`#${tabname}_extra_tabs`);
}

function extraNetworksControlRefreshOnClick(event, tab, page) {
    webui.find(`#${tab}_${page}_extra_refresh`)?.click();
}

function requestGet(url, data, handler, errorHandler) {
    const query = new URLSearchParams(data || {}).toString();
    fetch(query ? `${url}?${query}` : url).then((answer) => {
        if (!answer.ok) {
            throw new Error(String(answer.status));
        }
        return answer.json();
    }).then(handler).catch(() => errorHandler?.());
}

function popupId(id) {
    popup(document.getElementById(id));
}

function confirm_clear_prompt(prompt, negativePrompt) {
    return confirm("Delete prompt?") ? ["", ""] : [prompt, negativePrompt];
}

function toggleCss(key, css, enable) {
    let style = document.getElementById(key);
    if (enable && !style) {
        style = document.createElement("style");
        style.id = key;
        document.head.append(style);
    }
    if (style) {
        style.textContent = enable ? css : "";
    }
}

// A1111's page was put up as a whole; here an extension's frame may be loaded before the parts are there that its onload looks for.
document.addEventListener("load", (event) => {
    const frame = event.target;
    if (!webui.ready && frame instanceof HTMLIFrameElement) {
        event.stopImmediatePropagation();
        onUiLoaded(() => frame.isConnected && frame.dispatchEvent(new Event("load")));
    }
}, {capture: true});

// ---- small tools: what a browser keeps, what waits for the end of typing ----

function localGet(key, otherwise = null) {
    return webui.recall(key) || otherwise;
}

function localSet(key, value) {
    webui.remember(key, value);
}

function localRemove(key) {
    try {
        localStorage.removeItem(key);
    } catch {}  // a browser that keeps nothing
}

function isEmptyObject(object) {
    return Object.keys(object || {}).length === 0;
}

// Calls ``act`` when ``element`` has not been typed into for ``pause`` milliseconds; the answer does so without a key.
function onEdit(name, element, pause, act) {
    let waiting = null;
    const edited = () => {
        clearTimeout(waiting);
        waiting = setTimeout(act, pause);
    };
    element.addEventListener("input", edited);
    return edited;
}

// ---- what else is asked for ----

// Extensions that bring a fold with a checkbox of their own call this when the field changes, so that a pasted picture's value shows in the fold's head.
function inputAccordionChecked(id, checked) {
    const fold = document.getElementById(id);
    webui.markFold(fold);
    if (fold?.visibleCheckbox && fold.visibleCheckbox.checked !== checked) {
        fold.visibleCheckbox.checked = checked;
        fold.onVisibleCheckboxChange?.();
    }
}

// A1111 put a checkbox of its own into a fold's head; here it is the field's, which answers to the same id, class and names.
webui.markFold = (fold) => {
    const box = fold?.id && webui.find(`#${CSS.escape(fold.id)}-checkbox input`);
    if (!box) {
        return;
    }
    if (!fold.visibleCheckbox?.isConnected) {
        box.id ||= `${fold.id}-visible-checkbox`;
        box.classList.add("input-accordion-checkbox");
        fold.visibleCheckbox = box;
        fold.onVisibleCheckboxChange = () => box.dispatchEvent(new Event("change", {bubbles: true}));
        fold.onChecked = (checked) => checked !== box.checked && box.click();
    }
    fold.classList.toggle("input-accordion-open", box.checked);
};

webui.markFolds = () => document.querySelectorAll(".input-accordion").forEach(webui.markFold);
onUiLoaded(webui.markFolds);
onAfterUiUpdate(webui.markFolds);
document.addEventListener("change", (event) => webui.markFold(event.target.closest(".input-accordion-checkbox")?.closest(".input-accordion")));

function isMobile() {
    return window.innerWidth < 1000;
}

function attachGalleryListeners(tab) {
    return webui.find(`#${tab}_gallery`);
}

function rememberGallerySelection() {}

function setTitle(progress) {
    document.title = progress ? `[${progress}] Stable Diffusion` : "Stable Diffusion";
}

function dimensionChange() {}

function currentImg2imgSourceResolution(width, height) {
    const picture = webui.find("#tab_img2img img");
    return picture ? [picture.naturalWidth, picture.naturalHeight, 1] : [width, height, 1];
}

function updateImg2imgResizeToTextAfterChangingImage() {
    return [];
}

// A choice of a list was a text in Gradio 3 and is a name with its value in Gradio 6. Who looks for one in window.gradio_config finds a pair that does as its name would.
webui.Choice = class extends Array {};
for (const name of Object.getOwnPropertyNames(String.prototype)) {
    if (typeof String.prototype[name] === "function" && !["constructor", "at", "concat", "slice"].includes(name)) {
        Object.defineProperty(webui.Choice.prototype, name, {configurable: true, writable: true, value(...given) { return String(this[0])[name](...given); }});
    }
}

onUiLoaded(() => {
    txt2img_gallery = attachGalleryListeners("txt2img");
    img2img_gallery = attachGalleryListeners("img2img");
    for (const {props} of webui.boot.hasForeignScripts ? window.gradio_config?.components || [] : []) {
        for (const choice of Array.isArray(props?.choices) ? props.choices : []) {
            if (Array.isArray(choice)) {
                Object.setPrototypeOf(choice, webui.Choice.prototype);
            }
        }
    }
});
