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

// Gradio's own tabs: A1111's class for the row of buttons, Gradio 3's style for the panels.
webui.nameTabRows = function(root) {
    for (const row of root.querySelectorAll(".tabs [role=tablist]:not(.visually-hidden)")) {
        row.classList.add("tab-nav");
    }
    root.querySelectorAll(".tabs > .tabitem").forEach(webui.nameShownTab);
};

// The panel that is shown says "block" in its style, as Gradio 3's did: extensions look there which one it is. How it is laid out says style.css.
webui.shownTabs = new MutationObserver((records) => records.forEach((record) => webui.nameShownTab(record.target)));

webui.nameShownTab = function(panel) {
    if (panel.style.display === "flex") {
        panel.style.display = "block";
    }
    webui.shownTabs.observe(panel, {attributes: true, attributeFilter: ["style"]});
};

// Gradio 6 holds places in the page with comments, where Gradio 3 had the bare text or HTML. Who asks a button, or a piece of HTML, for
// what is in it is not shown them, nor who asks tabs or a field for the first thing in them; Gradio itself asks another way, and keeps them.
// A column that was emptied has an empty text left, as Gradio 3's had: who takes its only button out still finds a last thing there.
webui.withoutComments = (function() {
    const told = (node) => node.nodeType !== Node.COMMENT_NODE && (node.nodeType !== Node.TEXT_NODE || node.data.trim() !== "");
    const nodes = Object.getOwnPropertyDescriptor(Node.prototype, "childNodes").get;
    const text = Object.getOwnPropertyDescriptor(Element.prototype, "innerHTML");
    const ends = new WeakMap();
    const shown = (element) => {
        const found = Array.from(nodes.call(element)).filter(told);
        const end = ends.get(element);
        return found.length === 0 && end?.parentNode === element ? [end] : found;
    };
    const properties = {
        childNodes: {configurable: true, get() { return shown(this); }},
        firstChild: {configurable: true, get() { return shown(this)[0] || null; }},
        lastChild: {configurable: true, get() { return shown(this).pop() || null; }},
        innerHTML: {configurable: true, get() { return text.get.call(this).replace(/<!--[^]*?-->/g, ""); }, set(value) { text.set.call(this, value); }},
    };
    const which = "button, label, .tabs, .gradio-column, .block, .gradio-html, .gradio-html > div, .gradio-html .prose";
    return function(root) {
        for (const element of [...(root.matches?.(which) ? [root] : []), ...root.querySelectorAll(which)]) {
            if (!Object.hasOwn(element, "innerHTML")) {
                Object.defineProperties(element, properties);
                if (element.matches(".gradio-column")) {
                    ends.set(element, element.appendChild(document.createTextNode("")));
                }
            }
        }
    };
})();

webui.withoutCommentsIn = function(records) {
    for (const record of records) {
        record.addedNodes.forEach((node) => node.nodeType === Node.ELEMENT_NODE && webui.withoutComments(node));
    }
};

webui.normaliseAll = function() {
    webui.liftTextareas(document);
    webui.nameTabRows(document);
    webui.withoutComments(document);
    webui.nameButtons();
};

webui.normalise = function(records) {
    let nameless = false;
    for (const record of records) {
        for (const node of record.addedNodes) {
            if (node.nodeType === Node.ELEMENT_NODE && node.firstElementChild) {
                webui.liftTextareas(node);
                webui.nameTabRows(node.matches(".tabitem") ? node.parentElement || node : node);
                nameless ||= node.querySelector("button.tool:not([aria-label]), .with-tooltip:not([title])") !== null;
            }
        }
    }
    if (nameless) {
        webui.nameButtons();
    }
};

// Buttons that bear only a picture get words: a tooltip, and a name for screen readers. So does what extensions made with a tooltip.
webui.nameButtons = function() {
    const titles = webui.boot.buttonTitles || {};
    const others = Array.from(document.querySelectorAll("button.tool[id^=refresh_]"), (each) => [each.id, "Look again for what there is to choose"]);
    for (const [id, words] of [...Object.entries(titles), ...others]) {
        for (const named of document.querySelectorAll(`[id="${CSS.escape(id)}"]`)) {  // X/Y/Z plot's stand on both tabs
            if (!named.title) {
                named.title = words;
                if (named.matches("button") && !/\p{L}{2}/u.test(named.textContent)) {   // what is written on a button is what people ask for by voice
                    named.setAttribute("aria-label", words);
                }
            }
        }
    }
    for (const field of document.querySelectorAll(".styles-row input[role=combobox]")) {
        field.placeholder = "Styles";
    }
};
