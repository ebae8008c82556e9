// The result gallery: which picture is chosen, its infotext below it.

/* exported selected_gallery_button, selected_gallery_index, selected_gallery_index_id, all_gallery_buttons, extract_image_from_gallery */

// Of the gallery that is seen: a tab that is put away may have an open one inside.
function all_gallery_buttons() {
    const seen = Array.from(document.querySelectorAll(".tabitem [id$=_gallery]")).filter((each) => each.offsetParent);
    const gallery = seen.find((each) => each.querySelector(".thumbnail-item.selected")) || seen[0];
    return gallery ? Array.from(gallery.querySelectorAll(".thumbnails > .thumbnail-item, .grid-container .thumbnail-item")) : [];
}

function selected_gallery_button() {
    return all_gallery_buttons().find((button) => button.classList.contains("selected")) || null;
}

function selected_gallery_index() {
    return all_gallery_buttons().findIndex((button) => button.classList.contains("selected"));
}

function selected_gallery_index_id(galleryId) {
    const buttons = Array.from(document.querySelectorAll(`#${galleryId} .thumbnails > .thumbnail-item`));
    return buttons.findIndex((button) => button.classList.contains("selected"));
}

// The chosen picture for a "send to" button: the first one when none is chosen.
function extract_image_from_gallery(gallery) {
    if (!gallery || gallery.length === 0) {
        return [null];
    }
    return [gallery[Math.max(0, selected_gallery_index())] || gallery[0]];
}

// What an extension's script gives a picture or a gallery to show: Gradio 3 took data URLs and {name, data}. kinds: by place among the outputs.
webui.pictured = function(result, kinds) {
    const file = (value) => {
        const url = typeof value === "string" ? value : value?.data || (value?.name && `/file=${value.name}`);
        if (value?.image?.path && !value.path) {
            return value.image;
        }
        return value?.path || typeof url !== "string" || !url ? value : {path: value.name || url, url: url.replace(/^file=/, "/file="), meta: {_type: "gradio.FileData"}};
    };
    const entry = (value) => Array.isArray(value) ? {image: file(value[0]), caption: value[1]} : value?.image ? value : {image: file(value), caption: null};
    const shown = {
        image: file,
        gallery: (value) => Array.isArray(value) ? value.map(entry) : value,
        canvas: webui.putText,
        imageeditor: (value) => typeof value === "string" ? {background: file(value), layers: [], composite: null} : value,
    };
    const listed = Array.isArray(result) ? result : [result];
    return listed.map((value, place) => kinds[place] && value ? shown[kinds[place]](value) : value);
};

webui.generationInfo = function(tab) {
    const field = webui.field(`generation_info_${tab}`);
    try {
        return JSON.parse(field.value) || {};
    } catch {
        return {};
    }
};

webui.galleryIndex = (tab) => Math.max(0, selected_gallery_index_id(`${tab}_gallery`));

// Writes the chosen picture's infotext below the gallery, as text: it holds whatever the user typed.
webui.showInfotext = function(tab) {
    const texts = webui.generationInfo(tab).infotexts || [];
    const place = webui.find(`#html_info_${tab}`);
    const text = texts[webui.galleryIndex(tab)] || "";
    let box = place.querySelector(".infotext-text");
    if (!box) {
        box = document.createElement("div");
        box.className = "infotext-text";
        (place.querySelector(".prose") || place).append(box);
    }
    if (box.dataset.text === text) {
        return;
    }
    box.dataset.text = text;
    box.replaceChildren(...text.split("\n").filter(Boolean).flatMap((line) => {
        const paragraph = document.createElement("p");
        paragraph.textContent = line;
        return [paragraph, "\n"];      // extensions read the whole text, also while it is hidden, and then part it into lines
    }));
};

webui.showResult = function(tab) {
    const gallery = webui.find(`#${tab}_gallery`);
    if (!gallery.dataset.watched) {
        gallery.dataset.watched = "yes";
        new MutationObserver(() => webui.showInfotext(tab)).observe(gallery, {subtree: true, attributes: true, attributeFilter: ["class"]});
    }
    webui.showInfotext(tab);
};

// Resolves when the gallery's large picture is decoded, or after a second: the preview may then go without a blink. A page that nobody sees
// gets no frame from its browser, and must not wait for one: its job is over now.
webui.galleryLoaded = async function(tab) {
    if (document.hidden) {
        return;
    }
    const drawn = new Promise(requestAnimationFrame).then(() => webui.find(`#${tab}_gallery .preview img, #${tab}_gallery img`)?.decode()).catch(() => {});
    await Promise.race([drawn, new Promise((resolve) => setTimeout(resolve, 1000))]);
};

// Gradio's gallery takes the focus when a picture arrives. Who writes the next prompt meanwhile goes on writing: it is theirs only when they clicked into
// the gallery or came by Tab.
webui.lastPress = null;
for (const kind of ["pointerdown", "keydown", "keyup"]) {
    document.addEventListener(kind, (event) => {
        webui.lastPress = kind === "keyup" ? null : event;
    }, true);
}

document.addEventListener("focusin", (event) => {
    const gallery = event.target.closest("[id$=_gallery]"), written = event.relatedTarget, press = webui.lastPress;
    const wished = press && (press.key === "Tab" || (press.type === "pointerdown" && gallery?.contains(press.target)));
    if (gallery && event.target.classList.contains("thumbnail-item") && written?.matches("textarea, input") && !gallery.contains(written) && !wished) {
        written.focus({preventScroll: true});
    }
});

// Gradio 6 puts each picture's button of a gallery's grid into a box of its own; in Gradio 3 the buttons stood side by side, and extensions count
// what stands before one to learn which picture it is. Gradio itself asks Node's own properties, not these.
for (const [step, native] of [["previousSibling", Node.prototype], ["nextSibling", Node.prototype],
                              ["previousElementSibling", Element.prototype], ["nextElementSibling", Element.prototype]]) {
    const ask = Object.getOwnPropertyDescriptor(native, step).get;
    const askBox = Object.getOwnPropertyDescriptor(Element.prototype, step.replace(/(Element)?Sibling/, "ElementSibling")).get;
    Object.defineProperty(HTMLButtonElement.prototype, step, {configurable: true, get() {
        const box = this.matches(".grid-container > .gallery-item > .thumbnail-item") ? this.parentElement : null;
        return box ? askBox.call(box)?.querySelector(".thumbnail-item") ?? null : ask.call(this);
    }});
}
