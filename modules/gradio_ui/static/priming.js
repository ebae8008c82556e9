// Extensions look for everything in the page when it opens. Gradio 6 makes what is in its own accordions and tabs only when they
// are first opened: so each is opened once, unseen, before the extensions' scripts are told that the page is there.

// Parts below "opened-late" are many and hardly ever looked for: they are opened when the page has been ready for a moment.

// Each part is opened once, so this ends by itself, on a slow machine with many extensions late; in ms, for those that make new parts without end.
webui.primingPatience = 30000;

webui.lateCallbacks = [];  // called when the late parts are there

// Parts with the class "stays-open" have no head of their own: they are not closed again.

// late: those below "opened-late", or all others.
webui.closedParts = function(late = false) {
    const accordions = document.querySelectorAll(".block > button.label-wrap:not(.open):not([data-primed])");
    const tabs = document.querySelectorAll("#tabs .tabs [role=tablist]:not(.visually-hidden) button[role=tab]:not(.selected):not([data-primed])");
    return [...accordions, ...tabs].filter((part) => Boolean(part.closest(".opened-late")) === late);
};

// Opens closed accordions and unvisited tabs, layer after layer, then puts them back. Resolves when all are done.
webui.prime = async function(late = false) {
    const deadline = performance.now() + webui.primingPatience;
    const shown = new Map();
    const noteChosenTabs = () => {
        for (const list of document.querySelectorAll("#tabs .tabs [role=tablist]:not(.visually-hidden)")) {
            shown.has(list) || shown.set(list, list.querySelector("button[role=tab].selected"));
        }
    };
    const opened = [];
    const wanted = new Set();  // what somebody clicked on meanwhile: it stays open
    let parts = webui.closedParts(late);
    while (parts.length && performance.now() < deadline) {
        noteChosenTabs();
        for (const part of parts) {
            part.dataset.primed = "yes";
            webui.openUnseen(part, wanted);
            if (part.classList.contains("label-wrap")) {
                opened.push(part);
            }
            if (late || !part.classList.contains("label-wrap")) {
                await webui.nextFrame();  // late, the page belongs to somebody by now
            }
        }
        await webui.nextFrame();
        parts = webui.closedParts(late);
    }
    opened.reverse().forEach((part) => {
        const block = part.closest(".block");
        if (part.classList.contains("open") && !wanted.has(part) && !block.classList.contains("stays-open")) {
            part.click();
        }
        block.classList.remove("priming");
    });
    shown.forEach((button) => button && button.isConnected && button.click());
    await webui.nextFrame();
};

// A click on a part that hides what it opens (css), until ``prime`` is done with it or somebody else clicks on it.
webui.openUnseen = function(part, wanted) {
    if (part.classList.contains("label-wrap")) {
        const block = part.closest(".block");
        block.classList.add("priming");
        part.addEventListener("click", (event) => {
            if (event.isTrusted && block.classList.contains("priming")) {
                event.stopPropagation();
                wanted.add(part);
                block.classList.remove("priming");
            }
        }, {capture: true});
    }
    part.click();
};

webui.nextFrame = () => new Promise((resolve) => setTimeout(resolve, 16));

// At once, for whoever reaches for such a part; all callers get the same promise.
webui.primeLate = () => (webui.latePriming ||= webui.openLateParts());

webui.openLateParts = async function() {
    if (webui.closedParts(true).length === 0) {
        return;
    }
    const here = new Set(Array.from(document.querySelectorAll("[id]"), (each) => each.id));
    await webui.prime(true);
    webui.normaliseAll();
    webui.startCanvases();
    webui.callAll(webui.lateCallbacks, here);
};

onUiLoaded(async() => {
    const reached = new Promise((resolve) => {
        for (const kind of ["pointerdown", "focusin"]) {
            document.addEventListener(kind, (event) => event.target.closest?.("[id$=_script_container], .opened-late") && resolve(), {passive: true});
        }
    });
    // when nobody has touched the page for a moment: what is opened would stand in the way of a hand
    const idle = new Promise((resolve) => (window.requestIdleCallback ? requestIdleCallback(resolve, {timeout: 4000}) : setTimeout(resolve, 500)));
    await Promise.race([reached, idle]);
    await webui.primeLate().catch((error) => console.error("parts of the page could not be opened", error));
});
