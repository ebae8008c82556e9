// Generate, clicked before the page is ready or before a reloaded page has its fields back, waits until then. With many extensions that takes
// seconds, in which Gradio would drop the click without a word, or fields would be sent that are not the user's.

webui.restoringForms = new Set();  // tabs whose remembered fields have been asked for
webui.restorePatience = 5000;      // ms; then what stands in the fields is sent
webui.earlyTabs = new Set();       // where Generate waits

webui.isEarly = (tab) => !webui.ready || webui.restoringForms.has(tab);

webui.keepForLater = function(tab) {
    webui.earlyTabs.add(tab);
    document.getElementById(`${tab}_generate`).classList.add("waits");
    return true;
};

webui.releaseEarly = function() {
    for (const tab of [...webui.earlyTabs].filter((each) => !webui.isEarly(each))) {
        const button = document.getElementById(`${tab}_generate`);
        webui.earlyTabs.delete(tab);
        button.classList.remove("waits");
        button.click();
    }
};

webui.restoreBegins = function(tab) {
    webui.restoringForms.add(tab);
    setTimeout(webui.restoreEnded, webui.restorePatience, tab);
};

// Gradio takes over what it was given after this call.
webui.restoreEnded = function(tab) {
    webui.restoringForms.delete(tab);
    setTimeout(webui.releaseEarly, 50);
};

document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".generate-box > button[id$='_generate']");
    const tab = button?.id.replace(/_generate$/, "");
    if (button && webui.isEarly(tab)) {
        event.stopImmediatePropagation();
        webui.keepForLater(tab);
    }
}, true);

onUiLoaded(() => setTimeout(webui.releaseEarly, 50));
