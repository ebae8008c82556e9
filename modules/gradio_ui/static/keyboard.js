// Keys of the generation tabs: Ctrl+Enter generates, Alt+Enter skips, Esc interrupts.

webui.generationTab = function() {
    const panel = get_uiCurrentTabContent();
    const name = panel ? panel.id.replace(/^tab_/, "") : "";
    return document.getElementById(`${name}_generate`) ? name : "";
};

// Esc belongs first to whatever is open: a list, a dialog, a completion popup.
webui.escapeIsTaken = function(event) {
    const open = document.querySelector("#context-menu, .styles-editor.open, dialog[open]") || gradioApp().querySelector("input[role=combobox][aria-expanded=true], dialog[open], .webui-canvas.canvas-full, .autocompleteResults:not([style*='display: none'])");
    return event.defaultPrevented || Boolean(open) || Boolean(document.querySelector("#lightboxModal[style*='flex']"));
};

webui.pressIfShown = function(id) {
    const button = document.getElementById(id);
    if (button && uiElementIsVisible(button)) {
        button.click();
        return true;
    }
    return false;
};

document.addEventListener("keydown", (event) => {
    const tab = webui.ready && webui.generationTab();
    if (!tab || event.isComposing) {
        return;
    }
    let done = false;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        done = webui.pressIfShown(`${tab}_generate`);
    } else if (event.key === "Enter" && event.altKey) {
        done = webui.pressIfShown(`${tab}_skip`);
    } else if (event.key === "Escape" && !webui.escapeIsTaken(event)) {
        done = webui.pressIfShown(`${tab}_interrupt`) || webui.pressIfShown(`${tab}_interrupting`);
    }
    if (done) {
        event.preventDefault();
    }
});
