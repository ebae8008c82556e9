// Brings Gradio 6's DOM into the shape that A1111's extensions look for.

// "#txt2img_prompt > label > textarea": Gradio 6 puts a div between label and textarea.
// Moving the textarea keeps its binding: Svelte holds the element, not its place.
webui.liftTextareas = function(root) {
    for (const area of root.querySelectorAll("label > .input-container > textarea")) {
        const container = area.parentElement;
        container.parentElement.insertBefore(area, container);
        container.classList.add("lifted");
    }
};

// Gradio's own tabs: A1111's class for the row of buttons.
webui.nameTabRows = function(root) {
    for (const row of root.querySelectorAll(".tabs [role=tablist]:not(.visually-hidden)")) {
        row.classList.add("tab-nav");
    }
};

webui.normaliseAll = function() {
    webui.liftTextareas(document);
    webui.nameTabRows(document);
    webui.nameButtons();
};

webui.normalise = function(records) {
    let nameless = false;
    for (const record of records) {
        for (const node of record.addedNodes) {
            if (node.nodeType === Node.ELEMENT_NODE && node.firstElementChild) {
                webui.liftTextareas(node);
                webui.nameTabRows(node);
                nameless ||= node.querySelector("button.tool:not([aria-label])") !== null;
            }
        }
    }
    if (nameless) {
        webui.nameButtons();
    }
};

// Buttons that bear only a picture get words: a tooltip, and a name for screen readers.
webui.nameButtons = function() {
    const titles = webui.boot.buttonTitles || {};
    const others = Array.from(gradioApp().querySelectorAll("button.tool[id^=refresh_]"), (each) => [each.id, "Look again for what there is to choose"]);
    for (const [id, words] of [...Object.entries(titles), ...others]) {
        for (const button of document.querySelectorAll(`button[id="${CSS.escape(id)}"]`)) {  // X/Y/Z plot's stand on both tabs
            if (!button.title) {
                button.title = words;
                button.setAttribute("aria-label", words);
            }
        }
    }
    for (const field of gradioApp().querySelectorAll(".styles-row input[role=combobox]")) {
        field.placeholder = "Styles";
    }
};
