// What stands in the fields survives a reload of the tab: Gradio reloads the page by itself when a request fails to get through.

webui.memoryKey = (tab) => `${tab}_form`;

webui.fieldKinds = ["checkbox", "slider", "number", "dropdown", "textbox", "radio", "checkboxgroup"].map((kind) => `.block.gradio-${kind}`).join(", ");

// The fields of a generation tab, by elem_id: its own by their names, and whatever stands among its settings under a name of its own.
webui.formBlocks = function(tab) {
    const named = `#tab_${tab} :is(${webui.fieldKinds}, .block.input-accordion-checkbox)[id^="${tab}_"]`;
    const among = `#${tab}_settings :is(${webui.fieldKinds}, .block.input-accordion-checkbox)[id]:not([id^="component-"])`;
    return Object.fromEntries(Array.from(document.querySelectorAll(`${named}, ${among}`), (block) => [block.id, block]));
};

webui.readBlock = function(block) {
    const chosen = block.querySelector("input[type=radio]:checked");
    if (chosen) {
        return chosen.closest("label").textContent.trim();
    }
    if (block.classList.contains("gradio-checkboxgroup")) {
        return Array.from(block.querySelectorAll("input:checked"), (box) => box.closest("label").textContent.trim());
    }
    const box = block.querySelector("input[type=checkbox]");
    if (box) {
        return box.checked;
    }
    if (block.classList.contains("multiselect")) {
        return Array.from(block.querySelectorAll(".token > span"), (token) => token.textContent.trim());
    }
    const number = block.querySelector("input[type=number]");
    if (number) {
        return number.value === "" ? null : Number(number.value);
    }
    return block.querySelector("textarea, input").value;
};

webui.readForm = (tab) => Object.fromEntries(Object.entries(webui.formBlocks(tab)).map(([id, block]) => [id, webui.readBlock(block)]));

webui.isReloaded = () => webui.recall(webui.memoryKey("txt2img"), "sessionStorage") !== "";

webui.keptForm = (tab) => JSON.parse(webui.recall(webui.memoryKey(tab), "sessionStorage") || "{}");

// What is not in the page yet stays as it was kept.
webui.keepForms = function() {
    for (const tab of Object.keys(webui.jobs)) {
        try {
            sessionStorage.setItem(webui.memoryKey(tab), JSON.stringify({...webui.keptForm(tab), ...webui.readForm(tab)}));
        } catch (error) {
            console.warn("the browser does not keep the fields", error);
        }
    }
};

// The remembered values that differ from what the page starts with.
webui.rememberedChanges = function(tab) {
    try {
        const kept = webui.keptForm(tab);
        const now = webui.readForm(tab);
        return Object.fromEntries(Object.entries(kept).filter(([id, value]) => id in now && JSON.stringify(value) !== JSON.stringify(now[id])));
    } catch {
        return {};
    }
};

// Checkboxes of the page alone are set here; all real fields by the server, which knows what each may hold. seen: elem_ids that are left alone.
webui.restoreForm = function(tab, seen = new Set()) {
    const changes = Object.fromEntries(Object.entries(webui.rememberedChanges(tab)).filter(([id]) => !seen.has(id)));
    for (const toggle of document.querySelectorAll(`#tab_${tab} .block.toggle`)) {
        if (toggle.id in changes && !webui.touchedFields.has(toggle.id)) {
            toggle.querySelector("input").click();
        }
        delete changes[toggle.id];
    }
    if (Object.keys(changes).length > 0) {
        webui.formChanges[tab] = {...webui.formChanges[tab], ...changes};
        webui.fillBegins(tab);
        webui.find(`#${tab}_restore_form`).click();
    }
};

// By tab: Gradio asks some time after the click, when the other tab's changes are there as well.
webui.formChanges = {};

webui.takeFormChanges = function(tab) {
    const changes = JSON.stringify(webui.formChanges[tab] || {});
    delete webui.formChanges[tab];
    return changes;
};

// What somebody has set since the page came, by elem_id: a remembered value that arrives later does not replace it.
webui.touchedFields = new Set();

// Scripts set fields, too; before the page is ready those are the page's own.
webui.noteTouched = function(event) {
    const block = (event.isTrusted || webui.ready) && event.target.closest?.(`:is(${webui.fieldKinds}, .block.input-accordion-checkbox)[id]`);
    const isSet = event.type !== "mousedown" || event.target.closest?.("[role=option]");
    if (block && isSet) {
        webui.touchedFields.add(block.id);
    }
};

// An answer of the server as updates of the fields: [elem_id, update] for each one that gets its value back. Those that were touched stay.
webui.untouched = function(tab, answer) {
    webui.fillEnded(tab);
    return JSON.parse(answer).map((each) => each && !webui.touchedFields.has(each[0]) ? each[1] : {__type__: "update"});
};

for (const kind of ["input", "change", "mousedown"]) {
    document.addEventListener(kind, webui.noteTouched, {capture: true, passive: true});
}

// The prompts come back as soon as their fields are there: who reloads, or whose page was opened anew while they typed, types on. Typed into an empty
// field, the letters would stay and the prompt of before be lost.
webui.restorePrompts = function() {
    for (const tab of ["txt2img", "img2img"]) {
        for (const id of [`${tab}_prompt`, `${tab}_neg_prompt`]) {
            const field = document.querySelector(`#${id} textarea`);
            if (!field || webui.promptsBack.has(id)) {
                continue;
            }
            webui.promptsBack.add(id);
            const kept = webui.keptForm(tab)[id];
            if (kept && kept !== field.value) {
                setTimeout(() => webui.touchedFields.has(id) || webui.setField(field, kept));  // Gradio is done with the field then
            }
        }
    }
};

webui.promptsBack = new Set();

document.addEventListener("DOMContentLoaded", () => {
    if (webui.isReloaded()) {
        const watcher = new MutationObserver(webui.restorePrompts);
        watcher.observe(document.body, {childList: true, subtree: true});
        onUiLoaded(() => watcher.disconnect());
    }
});

onUiLoaded(() => {
    Object.keys(webui.jobs).forEach((tab) => webui.restoreForm(tab));
    webui.lateCallbacks.push((seen) => Object.keys(webui.jobs).forEach((tab) => webui.restoreForm(tab, seen)));
    // What is kept as the page goes, Firefox loses where the next one is of another site: Back would bring what stood here before.
    ["beforeunload", "pagehide"].forEach((moment) => window.addEventListener(moment, webui.keepForms));
});
