// Dialogs of cards: what a file's header carries, and what the user writes about it.

/* exported popup, closePopup, extraNetworksShowMetadata, extraNetworksRequestMetadata, extraNetworksEditUserMetadata, extraNetworksRefreshSingleCard */

// A dialog with a title over the page; it goes when it is closed. id: its own, or that of the place where it stands.
webui.openDialog = function(title, content, id = "") {
    const dialog = document.createElement("dialog");
    dialog.className = "webui-dialog";
    const place = id && document.getElementById(id);
    if (id && !place) {
        dialog.id = id;
    }
    const head = document.createElement("header");
    const words = document.createElement("h2");
    words.textContent = title;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "dialog-close";
    close.textContent = "×";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => dialog.close());
    head.append(words, close);
    dialog.append(head, content);
    dialog.setAttribute("aria-label", title);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("mousedown", (event) => {
        if (event.target === dialog && !dialog.querySelector("input, textarea")) {     // what was typed is not lost to a click beside it
            dialog.close();
        }
    });
    (place || webui.gradioContainer()).append(dialog);
    dialog.showModal();
    return dialog;
};

webui.gradioContainer = () => {
    return document.querySelector(".gradio-container") || document.body;
};

// A1111's names for the same.
function popup(contents) {
    closePopup();
    const dialog = webui.openDialog("", contents, "webui_popup");
    dialog.classList.add("global-popup");
    dialog.querySelector(".dialog-close").classList.add("global-popup-close");
}

function closePopup() {
    const dialog = document.getElementById("webui_popup");
    if (dialog) {
        dialog.close();
    }
}

function extraNetworksShowMetadata(text) {
    const content = document.createElement("pre");
    content.className = "popup-metadata";
    content.textContent = text;
    webui.openDialog("Internal metadata", content);
}

webui.networks.showMetadata = async function(page, name) {
    try {
        const answer = await webui.fetchJson(`./sd_extra_networks/metadata?${new URLSearchParams({page, item: name})}`);
        extraNetworksShowMetadata(answer.metadata || "This file carries no metadata.");
    } catch (error) {
        webui.toast(error.message, "error");
    }
};

function extraNetworksRequestMetadata(event, page, name) {
    webui.networks.showMetadata(page, name);
    event.stopPropagation();
}

function extraNetworksEditUserMetadata(event, tab, page, name) {
    webui.networks.edit(tab, page, name);
    event.stopPropagation();
}

async function extraNetworksRefreshSingleCard(page, tab, name) {
    const answer = await webui.fetchJson(`./sd_extra_networks/get-single-card?${new URLSearchParams({page, tabname: tab, name})}`);
    webui.networks.onBoth(page, (pane) => pane.replaceCard(answer.html));
}

// The fields of the dialog: name, label, kind, and the page that alone has it.
webui.CARD_FIELDS = [
    {name: "description", label: "Description", kind: "textarea", rows: 3},
    {name: "sd_version", label: "Stable Diffusion version", kind: "select", choices: ["Unknown", "SD1", "SD2", "SDXL"], page: "lora"},
    {name: "activation_text", label: "Activation text", kind: "input", hint: "Written into the prompt along with the Lora", page: "lora"},
    {name: "preferred_weight", label: "Preferred weight", kind: "number", hint: "0: the one from the settings", page: "lora"},
    {name: "negative_text", label: "Negative prompt", kind: "input", hint: "Written into the negative prompt", page: "lora"},
    {name: "vae", label: "Preferred VAE", kind: "select", choices: (card) => ["Automatic", "None", ...(card.vaes || [])], page: "checkpoints"},
    {name: "sampler_name", label: "Sampling method", kind: "select", choices: (card) => ["", ...(card.samplers || [])], page: "checkpoints", half: true},
    {name: "scheduler", label: "Schedule type", kind: "select", choices: (card) => ["", ...(card.schedulers || [])], page: "checkpoints", half: true},
    {name: "steps", label: "Sampling steps", kind: "number", max: 150, page: "checkpoints", half: true},
    {name: "cfg_scale", label: "CFG Scale", kind: "number", max: 30, page: "checkpoints", half: true},
    {name: "width", label: "Width", kind: "number", max: 2048, page: "checkpoints", half: true},
    {name: "height", label: "Height", kind: "number", max: 2048, page: "checkpoints", half: true},
    {name: "clip_skip", label: "Clip skip", kind: "number", max: 12, hint: "What is left empty stays as it is when this checkpoint is chosen; the rest is offered then", page: "checkpoints"},
    {name: "notes", label: "Notes", kind: "textarea", rows: 4},
];

webui.networks.field = function(spec, card, id) {
    const value = card[spec.name];
    const label = document.createElement("label");
    const words = document.createElement("span");
    words.textContent = spec.label;
    label.classList.toggle("half", Boolean(spec.half));
    const input = document.createElement(spec.kind === "number" ? "input" : spec.kind);
    input.name = spec.name;
    if (spec.kind === "select") {
        const choices = typeof spec.choices === "function" ? spec.choices(card) : spec.choices;
        const all = value && !choices.includes(value) ? [...choices, value] : choices;
        all.forEach((each) => input.add(new Option(each || "–", each)));
        input.value = value || choices[0];
    } else {
        if (spec.kind === "number") {
            Object.assign(input, {type: "number", min: spec.max ? 0 : -10, max: spec.max || 10, step: "any"});
        } else if (spec.rows) {
            input.rows = spec.rows;
        }
        input.value = value ?? "";
    }
    input.id = id;
    label.append(words, input);
    if (spec.hint) {
        const hint = document.createElement("small");
        hint.textContent = spec.hint;
        label.append(hint);
    }
    return label;
};

webui.networks.edit = async function(tab, page, name) {
    let card;
    try {
        card = await webui.fetchJson(`./sd_extra_networks/user-metadata?${new URLSearchParams({page, name})}`);
    } catch (error) {
        webui.toast(error.message, "error");
        return;
    }
    const start = `${tab}_${page.replace(/ /g, "_")}_edit_user_metadata`;
    const form = document.createElement("form");
    form.className = "edit-user-metadata";
    form.method = "dialog";
    const fields = webui.CARD_FIELDS.filter((spec) => !spec.page || spec.page === page);
    form.append(webui.networks.cardHead(card), ...fields.map((spec) => webui.networks.field(spec, card, `${start}_${spec.name}`)));
    if (card.tags?.length) {
        form.elements.activation_text.closest("label").after(webui.networks.trainingTags(card.tags, form.elements.activation_text));
        form.elements.negative_text.closest("label").after(webui.networks.randomPrompt(card.tags));
    }
    const buttons = webui.make("footer", {class: "edit-user-metadata-buttons"});
    const preview = webui.dialogButton("Replace preview", "The picture chosen in the gallery becomes this card's");
    const save = webui.dialogButton("Save", "", "primary");
    save.type = "submit";
    buttons.append(preview, save);
    form.append(buttons);
    const dialog = webui.openDialog(card.name, form, start);
    dialog.querySelector("h2").classList.add("extra-network-name");
    preview.addEventListener("click", async() => {
        if (await webui.networks.savePreview(tab, page, name)) {
            const fresh = await webui.fetchJson(`./sd_extra_networks/user-metadata?${new URLSearchParams({page, name})}`);
            form.querySelector(".card-head").replaceWith(webui.networks.cardHead(fresh));
        }
    });
    form.addEventListener("submit", async(event) => {
        event.preventDefault();
        const values = Object.fromEntries(fields.map((spec) => [spec.name, webui.networks.valueOf(spec, form.elements[spec.name])]));
        try {
            const answer = await webui.postJson("./sd_extra_networks/user-metadata", {page, name, values});
            webui.networks.onBoth(page, (pane) => pane.replaceCard(answer.html));
            webui.toast(`Saved what you wrote about ${card.name}.`);
            dialog.close();
        } catch (error) {
            webui.toast(error.message, "error");
        }
    });
};

// What the file was trained with; a click puts a tag into `input`, or takes it out again. tags: [words, how often] each.
webui.networks.trainingTags = function(tags, input) {
    const written = () => input.value.split(",").map((each) => each.trim()).filter(Boolean);
    const list = document.createElement("div");
    list.className = "training-tags";
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", "Training dataset tags");
    const buttons = tags.map(([words, count]) => {
        const button = webui.dialogButton(words, `In ${count} captions of its training: a click writes it into the activation text, or takes it out`);
        button.dataset.count = count;
        button.addEventListener("click", () => {
            const now = written();
            input.value = (now.includes(words) ? now.filter((each) => each !== words) : [...now, words]).join(", ");
            show();
        });
        return button;
    });
    const show = () => buttons.forEach((button, number) => button.setAttribute("aria-pressed", written().includes(tags[number][0])));
    input.addEventListener("input", show);
    show();
    list.append(...buttons);
    return list;
};

// Tags of the training at random, a frequent one more often; with A1111's brackets escaped, to be copied into a prompt.
webui.networks.drawTags = (tags) => tags.filter(([, count]) => Math.random() * tags[0][1] < count)
    .map(([words]) => words.replace(/[()[\]{}]/g, "\\$&")).sort().join(", ");

webui.networks.randomPrompt = function(tags) {
    const words = webui.make("textarea", {class: "random-prompt", rows: 3, readonly: true});
    const draw = () => { words.value = webui.networks.drawTags(tags); };
    const button = webui.dialogButton("Generate", "Draw other tags");
    button.addEventListener("click", draw);
    draw();
    return webui.make("div", {}, webui.make("label", {}, webui.make("span", {text: "Random prompt"}), words), button);
};

webui.networks.valueOf = (spec, input) => (spec.kind === "number" ? Number(input.value) || 0 : input.value);

webui.dialogButton = function(words, title, kind = "secondary") {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `dialog-button ${kind}`;
    button.textContent = words;
    button.title = title;
    return button;
};

// Picture and facts at the top of the dialog.
webui.networks.cardHead = function(card) {
    const head = document.createElement("div");
    head.className = "card-head";
    if (card.preview) {
        head.append(webui.make("img", {class: "standalone-card-preview", src: card.preview, alt: ""}));
    }
    const facts = webui.make("dl", {class: "file-metadata"});
    const size = card.size >= 1e6 ? `${(card.size / 1e6).toFixed(1)} MB` : `${(card.size / 1e3).toFixed(1)} kB`;
    for (const [name, value] of [["Filename", card.filename], ["File size", size], ["Hash", card.hash], ["Modified", new Date(card.modified * 1000).toLocaleString()], ["Version", card.version], ...card.training]) {
        if (value) {
            const term = document.createElement("dt");
            term.textContent = name;
            const text = document.createElement("dd");
            text.textContent = value;
            facts.append(term, text);
        }
    }
    head.append(facts);
    return head;
};

// The picture chosen in the tab's gallery becomes the card's own.
webui.networks.savePreview = async function(tab, page, name) {
    const pictures = Array.from(document.querySelectorAll(`#${tab}_gallery .thumbnail-item img`));
    const large = webui.find(`#${tab}_gallery .preview img, #${tab}_gallery .media-button img`);
    const picture = large || pictures[Math.max(0, webui.galleryIndex(tab))];
    if (!picture) {
        webui.toast("There is no picture in the gallery: generate one first.", "error");
        return false;
    }
    try {
        const image = await webui.asDataUrl(picture.src);
        const answer = await webui.postJson("./sd_extra_networks/preview", {page, name, image});
        webui.networks.onBoth(page, (pane) => pane.replaceCard(answer.html));
        webui.toast("The preview was replaced.");
        return true;
    } catch (error) {
        webui.toast(error.message, "error");
        return false;
    }
};

webui.asDataUrl = async function(url) {
    const blob = await (await fetch(url)).blob();
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.addEventListener("load", () => resolve(reader.result));
        reader.addEventListener("error", () => reject(new Error("The picture cannot be read.")));
        reader.readAsDataURL(blob);
    });
};

// A1111's way for extensions: a preview's file name, then the button. The card is the one whose file lies beside it.
webui.networks.savePreviewOfFile = function(tab, filename) {
    const plain = (path) => path.replace(/\\/g, "/").replace(/(\.preview)?\.[^./]+$/, "");
    for (const pane of Object.values(webui.networks.panes).filter((each) => each.tab === tab)) {
        for (const slice of pane.slices.values()) {
            const card = slice.find((each) => plain((each.querySelector(".copy-path-button") || {dataset: {}}).dataset.clipboardText || "") === plain(filename));
            if (card) {
                webui.networks.savePreview(tab, pane.id, card.dataset.inside);
                return;
            }
        }
    }
    webui.toast(`No card has its picture at ${filename}.`, "error");
};

// The hidden buttons by which extensions edit a card, read a page again, or give a card its picture.
document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-network-act]");
    if (!button) {
        return;
    }
    const tab = button.id.split("_")[0];
    const text = button.dataset.text ? webui.field(button.dataset.text).value : "";
    if (button.dataset.networkAct === "preview") {
        webui.networks.savePreviewOfFile(tab, text);
        return;
    }
    const {page} = document.querySelector(`#${button.id.replace(/_(edit_user_metadata_button|extra_refresh_internal)$/, "")}_pane`).dataset;
    if (button.dataset.networkAct === "edit") {
        webui.networks.edit(tab, page, text);
    } else {
        webui.networks.refresh(tab, page);
    }
});
