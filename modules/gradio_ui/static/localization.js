// Shows the page in another language: texts, tooltips and placeholders, also of parts that come late. A1111's files and names.

/* exported getTranslation, localizeWholePage, ignore_ids_for_localization */

// The texts by their English, from the file that the setting `localization` names.
window.localization = (webui.boot && webui.boot.localization) || {};

// Lists that hold names of files and styles: their entries stay as they are.
const ignore_ids_for_localization = {
    setting_sd_hypernetwork: "OPTION",
    setting_sd_model_checkpoint: "OPTION",
    setting_sd_vae: "OPTION",
    setting_sd_lora: "OPTION",
    txt2img_styles: "SPAN",
    img2img_styles: "SPAN",
};

webui.WITHOUT_LETTERS = /^[\s\d.,:;%/×x+\-–()[\]|]*$/;
webui.ONLY_PICTURES = /^[\p{Extended_Pictographic}\p{Emoji_Component}\s]+$/u;
// What users wrote, and values that are read back from the page.
webui.NOT_TRANSLATED = "textarea, script, style, svg, pre, code, .token, .infotext-text, .card .name, .card .description, .search_terms, .webui-toast, .card-head dd, .training-tags, .extra-network-folders, #licenses, #ui_defaults_result";

webui.originalTexts = new Map();

webui.mayTranslate = function(text, element) {
    if (!text || webui.WITHOUT_LETTERS.test(text) || webui.ONLY_PICTURES.test(text) || !element || element.closest(webui.NOT_TRANSLATED)) {
        return false;
    }
    const listed = element.closest(Object.keys(ignore_ids_for_localization).map((id) => `#${id}`).join(","));
    return !listed || ignore_ids_for_localization[listed.id] !== element.tagName;
};

// The text in the chosen language; undefined where there is none.
function getTranslation(text) {
    const key = text.trim();
    if (!key) {
        return undefined;
    }
    const found = window.localization[key];
    if (!webui.translatedTexts.has(key)) {
        webui.originalTexts.set(key, found);
    }
    return typeof found === "string" && found ? found : undefined;
}

webui.translatedTexts = new Set(Object.values(window.localization).filter((text) => typeof text === "string"));

// What a translated text may have been before: several, where a language has one word for them.
webui.untranslated = (() => {
    const found = new Map();
    for (const [text, translated] of Object.entries(window.localization)) {
        found.set(translated, [...(found.get(translated) || []), text]);
    }
    return (text) => found.get(text) || [];
})();

webui.translateNode = function(node) {
    if (webui.mayTranslate(node.textContent.trim(), node.parentElement)) {
        const text = getTranslation(node.textContent);
        if (text !== undefined && text !== node.textContent) {
            node.textContent = text;
        }
    }
};

webui.translateAttributes = function(element) {
    for (const name of ["title", "placeholder", "aria-label"]) {
        const text = element.getAttribute(name);
        if (text && !webui.WITHOUT_LETTERS.test(text) && !element.closest(".card, .extra-network-folders")) {
            const found = getTranslation(text);
            if (found !== undefined && found !== text) {
                element.setAttribute(name, found);
            }
        }
    }
};

webui.translateBelow = function(root) {
    if (root.nodeType === Node.TEXT_NODE) {
        webui.translateNode(root);
        return;
    }
    if (root.nodeType !== Node.ELEMENT_NODE) {
        return;
    }
    webui.translateAttributes(root);
    root.querySelectorAll("[title], [placeholder], [aria-label]").forEach(webui.translateAttributes);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        webui.translateNode(walker.currentNode);
    }
};

function localizeWholePage() {
    webui.translateBelow(document.body);
}

webui.downloadLocalizationTemplate = function() {
    localizeWholePage();
    const texts = Object.fromEntries(Array.from(webui.originalTexts, ([text, found]) => [text, typeof found === "string" ? found : text]));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify({...texts, ...window.localization}, null, 4)], {type: "application/json"}));
    link.download = "localization.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

onUiLoaded(() => {
    if (Object.keys(window.localization).length === 0) {
        return;
    }
    webui.rememberTabLabels();
    localizeWholePage();
    if (window.localization.rtl) {
        document.documentElement.dir = "rtl";
        document.body.classList.add("rtl");
    }
    new MutationObserver((records) => {
        for (const record of records) {
            if (record.type === "characterData") {
                webui.translateNode(record.target);
            } else if (record.type === "attributes") {
                webui.translateAttributes(record.target);
            } else {
                record.addedNodes.forEach(webui.translateBelow);
            }
        }
    }).observe(document.body, {childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["title", "placeholder"]});
});
