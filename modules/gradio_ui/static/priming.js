// Extensions look for everything in the page when it opens. Gradio 6 makes what is in its own accordions and tabs only when they
// are first opened: so each is opened once, unseen, before the extensions' scripts are told that the page is there.

// Parts below "opened-late" are many and hardly ever looked for: they are opened when the page has been ready for a moment.

// Ends in time whatever happens, in ms.
webui.primingPatience = 3000;

webui.lateCallbacks = [];  // called when the late parts are there

// late: those below "opened-late", or all others.
webui.closedParts = function(late = false) {
    const accordions = gradioApp().querySelectorAll(".block > button.label-wrap:not(.open):not([data-primed])");
    const tabs = gradioApp().querySelectorAll("#tabs .tabs [role=tablist]:not(.visually-hidden) button[role=tab]:not(.selected):not([data-primed])");
    return [...accordions, ...tabs].filter((part) => Boolean(part.closest(".opened-late")) === late);
};

// Opens closed accordions and unvisited tabs, layer after layer, then puts them back. Resolves when all are done.
webui.prime = async function(late = false) {
    const deadline = performance.now() + webui.primingPatience;
    const shown = new Map();
    for (const list of gradioApp().querySelectorAll("#tabs .tabs [role=tablist]:not(.visually-hidden)")) {
        shown.set(list, list.querySelector("button[role=tab].selected"));
    }
    const opened = [];
    let parts = webui.closedParts(late);
    while (parts.length && performance.now() < deadline) {
        for (const part of parts) {
            part.dataset.primed = "yes";
            part.click();
            if (part.classList.contains("label-wrap")) {
                opened.push(part);
            } else {
                await webui.nextFrame();
            }
        }
        await webui.nextFrame();
        parts = webui.closedParts(late);
    }
    opened.reverse().forEach((part) => part.classList.contains("open") && part.click());
    shown.forEach((button) => button && button.isConnected && button.click());
    await webui.nextFrame();
};

webui.nextFrame = () => new Promise((resolve) => setTimeout(resolve, 16));

// When nobody has touched the page for a moment: what is opened would stand in the way of a hand.
webui.primeLate = async function() {
    if (webui.closedParts(true).length === 0) {
        return;
    }
    await new Promise((resolve) => (window.requestIdleCallback ? requestIdleCallback(resolve, {timeout: 4000}) : setTimeout(resolve, 500)));
    const here = new Set(Array.from(document.querySelectorAll("[id]"), (each) => each.id));
    await webui.prime(true);
    webui.normaliseAll();
    webui.startCanvases();
    webui.callAll(webui.lateCallbacks, here);
};

onUiLoaded(() => {
    webui.primeLate().catch((error) => console.error("parts of the page could not be opened", error));
});
