// Keys of the generation tabs: Ctrl+Enter generates (and first interrupts what this window has running), Alt+Enter skips, Esc interrupts.

webui.generationTab = function() {
    const panel = get_uiCurrentTabContent();
    const name = panel ? panel.id.replace(/^tab_/, "") : "";
    return document.getElementById(`${name}_generate`) ? name : "";
};

// Esc belongs first to whatever is open: a list, a dialog, a completion popup.
webui.escapeIsTaken = function(event) {
    const open = document.querySelector("#context-menu, .styles-editor.open, dialog[open]") || document.querySelector("input[role=combobox][aria-expanded=true], dialog[open], .webui-canvas.canvas-full, .autocompleteResults:not([style*='display: none'])");
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

// What was typed into the row at the top is stored when its field is left.
webui.leaveQuickSetting = function(tab) {
    const field = document.activeElement?.closest("#quicksettings :is(input, textarea)");
    if (field) {
        webui.fillBegins(tab);
        field.blur();
        field.focus();
        webui.fillEnded(tab);
    }
};

// As in A1111: Ctrl+Enter takes the place of this window's running job. What is on the page now is sent at once and waits for that one's end.
// A job of another window is left alone, and so is one that is being interrupted already.
webui.generateAnew = function(tab) {
    const jobs = webui.jobs[tab];
    const first = jobs?.ids[0];
    if (jobs?.sentHere.has(first) && uiElementIsVisible(document.getElementById(`${tab}_interrupt`))) {
        jobs.interrupt(first);
    }
    webui.leaveQuickSetting(tab);
    return webui.isEarly(tab) ? webui.keepForLater(document.getElementById(`${tab}_generate`)) : webui.pressIfShown(`${tab}_generate`);
};

document.addEventListener("keydown", (event) => {
    const tab = webui.generationTab();
    if (!tab || webui.composes(event)) {
        return;
    }
    let done = false;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        done = event.repeat || webui.generateAnew(tab);  // a key held down asks once
    } else if (event.key === "Enter" && event.altKey) {
        done = webui.pressIfShown(`${tab}_skip`);
    } else if (event.key === "Escape" && !webui.escapeIsTaken(event)) {
        done = webui.pressIfShown(`${tab}_interrupt`) || webui.pressIfShown(`${tab}_interrupting`);
    }
    if (done) {
        event.preventDefault();
    }
});
