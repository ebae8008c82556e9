// The page's contract with extensions: A1111's global functions and the moments at which they call back.
// Order at start: components mounted -> DOM brought into A1111's shape -> opts filled -> callbacks.

/* exported gradioApp, get_uiCurrentTab, get_uiCurrentTabContent, uiCurrentTab, onUiUpdate, onAfterUiUpdate, onUiLoaded,
   onUiTabChange, onOptionsAvailable, onOptionsChanged, updateInput, uiElementIsVisible, uiElementInSight, webui */

// Everything of ours that extensions do not need stands in this one object.
var webui = {ready: false};

var uiCurrentTab = null;
var uiUpdateCallbacks = [];
var uiAfterUpdateCallbacks = [];
var uiLoadedCallbacks = [];
var uiTabChangeCallbacks = [];
var optionsChangedCallbacks = [];
var optionsAvailableCallbacks = [];

// Asked for at every turn, by everybody: looking for the element anew each time took seconds on a page with many extensions.
webui.gradioRoot = null;

webui.root = function() {
    if (webui.gradioRoot && (webui.gradioRoot === document || webui.gradioRoot.isConnected)) {
        return webui.gradioRoot;
    }
    const element = document.querySelector("gradio-app");
    const root = element ? element.shadowRoot || element : document;
    if (!root.getElementById) {
        root.getElementById = (id) => document.getElementById(id);
    }
    webui.gradioRoot = element || webui.ready ? root : null;
    webui.ready || element && webui.hideParts(root);
    return root;
};

// Extensions made for an older page bring a function of this name along, which gives the document: what is ours asks for the root itself.
function gradioApp() {
    return webui.root();
}

// Extensions that look for a part again and again begin as soon as it is there: A1111's page came at once, with all other parts that they need then.
// So they find none before the page is ready. What is ours looks in ``document``.
webui.hideParts = function(root) {
    const none = document.createDocumentFragment();
    for (const name of ["querySelector", "querySelectorAll", "getElementById"]) {
        root[name] = (what) => none[name](what);
    }
};

webui.showParts = function() {
    const root = webui.root();
    delete root.querySelector;
    delete root.querySelectorAll;
    root.getElementById = (id) => document.getElementById(id);
    root.append(document.createComment("ready"));  // who waits for a change of the page looks once more
};

function get_uiCurrentTab() {
    return document.querySelector("#tabs > .tab-nav > button.selected");
}

function get_uiCurrentTabContent() {
    return document.querySelector('#tabs > .tabitem[id^=tab_]:not([style*="display: none"])');
}

function onUiUpdate(callback) {
    uiUpdateCallbacks.push(callback);
}

function onAfterUiUpdate(callback) {
    uiAfterUpdateCallbacks.push(callback);
}

function onUiLoaded(callback) {
    if (webui.ready) {
        webui.call(callback);
    } else {
        uiLoadedCallbacks.push(callback);
    }
}

function onUiTabChange(callback) {
    uiTabChangeCallbacks.push(callback);
}

function onOptionsAvailable(callback) {
    if (Object.keys(window.opts || {}).length > 0) {
        webui.call(callback);
    } else {
        optionsAvailableCallbacks.push(callback);
    }
}

function onOptionsChanged(callback) {
    optionsChangedCallbacks.push(callback);
}

// Tells Gradio that a field's value was set from outside.
function updateInput(target) {
    target.dispatchEvent(new Event("input", {bubbles: true}));
}

function uiElementIsVisible(element) {
    return element === document || (getComputedStyle(element).display !== "none" && (!element.parentNode || uiElementIsVisible(element.parentNode)));
}

function uiElementInSight(element) {
    const box = element.getBoundingClientRect();
    return box.top >= 0 && box.left >= 0 && box.bottom <= window.innerHeight && box.right <= window.innerWidth;
}

// One extension's mistake must not stop the others.
webui.call = function(callback, argument) {
    try {
        callback(argument);
    } catch (error) {
        console.error("a page callback failed", callback, error);
    }
};

webui.callAll = function(callbacks, argument) {
    for (const callback of callbacks.slice()) {
        webui.call(callback, argument);
    }
};

// Whether a key belongs to a word that is being put together (Japanese, Chinese ...). Safari tells the word's end before the key that ended it: by its number alone is that one known.
webui.composes = (event) => event.isComposing || event.keyCode === 229;

// Sets a text or number field so that both the browser and Gradio know.
webui.setField = function(field, value) {
    if (!field) {
        return;
    }
    const prototype = field.tagName === "TEXTAREA" ? HTMLTextAreaElement.prototype : HTMLInputElement.prototype;
    Object.getOwnPropertyDescriptor(prototype, "value").set.call(field, value);
    updateInput(field);
};

// What the browser keeps for us between visits ("sessionStorage": for this window alone); a browser that keeps nothing must not stop the page.
webui.recall = function(key, place = "localStorage") {
    try {
        return window[place].getItem(key) || "";
    } catch {
        return "";
    }
};

webui.remember = function(key, value, place = "localStorage") {
    try {
        window[place].setItem(key, value);
    } catch (error) {
        console.warn(`the browser does not keep ${key}`, error);
    }
};

webui.find = (selector) => document.querySelector(selector);

webui.field = (elemId) => webui.find(`#${elemId} textarea, #${elemId} input[type=number], #${elemId} input`);

(function watchPage() {
    let afterUpdate = null;

    webui.noteTabChange = function() {
        const tab = get_uiCurrentTab();
        if (webui.ready && tab && tab !== uiCurrentTab) {
            uiCurrentTab = tab;
            webui.callAll(uiTabChangeCallbacks);
            setTimeout(mutated, 0, []);
        }
    };

    // Gradio 3 made a tab's button anew when it was chosen, so that a change of tabs is a change of the page; ours and Gradio 6's keep theirs.
    document.addEventListener("click", (event) => {
        if (webui.ready && event.target instanceof Element && event.target.closest(".tab-nav button")) {
            setTimeout(mutated, 0, []);
        }
    });

    function mutated(records) {
        webui.root();                      // hides its parts, for some scripts look into Gradio's element by themselves
        webui.withoutCommentsIn(records);  // before the page is ready, too: some scripts look for their part by themselves
        if (!webui.ready && !becomeReady()) {
            return;
        }
        webui.normalise(records);
        changes = changes.concat(records);
        if (!round) {
            const wait = free - performance.now();
            wait > 0 ? round = setTimeout(tellChanges, wait) : tellChanges();
        }
    }

    // Extensions look through the whole page at each change. While changes come one after the other they are told together,
    // so that looking takes no more than a third of the time; a quick look is followed by the next at once.
    let changes = [];
    let round = 0;
    let free = 0;

    function tellChanges() {
        const told = changes;
        const began = performance.now();
        changes = [];
        round = 0;
        webui.callAll(uiUpdateCallbacks, told);
        free = Math.min(performance.now() + 2 * (performance.now() - began), began + 2000);
        clearTimeout(afterUpdate);
        afterUpdate = setTimeout(() => webui.callAll(uiAfterUpdateCallbacks), 200);
    }

    // Gradio fetches component code piece by piece, so parts of the page come in any order: wait for all that the server named.
    let arrived = 0;
    let priming = "";

    function becomeReady() {
        const awaited = webui.boot.awaited || [];
        while (arrived < awaited.length && document.getElementById(awaited[arrived])) {
            arrived += 1;
        }
        if (priming !== "" || arrived < awaited.length) {
            return priming === "done" && !webui.ready && beReady();
        }
        const folds = document.querySelectorAll("button.label-wrap").length;
        if (folds < (webui.boot.folds || 0) || !document.querySelector("#txt2img_prompt textarea")) {
            return false;
        }
        webui.withFocusKept(() => {
            webui.placeTemplates();
            webui.normaliseAll();
            webui.startTabs();
        });
        const early = webui.boot.hasForeignScripts ? [false, true] : [false];
        if (early.every((late) => webui.closedParts(late).length === 0)) {
            return beReady();
        }
        priming = "under way";
        early.reduce((before, late) => before.then(() => webui.prime(late)), Promise.resolve()).catch((error) => console.error("parts of the page could not be opened", error)).then(() => {
            priming = "done";
            mutated([]);
        });
        return false;
    }

    // A field that is moved in the page loses the focus, and what is typed from then on is lost.
    webui.withFocusKept = function(move) {
        const field = document.activeElement;
        const selected = [field?.selectionStart, field?.selectionEnd];
        move();
        if (field?.isConnected && field !== document.activeElement) {
            field.focus({preventScroll: true});
            typeof selected[0] === "number" && field.setSelectionRange(...selected);
        }
    };

    // Large pieces of plain HTML come beside Gradio, which would look through them several times.
    webui.placeTemplates = function() {
        for (const piece of document.querySelectorAll("template[data-place]")) {
            document.querySelector(`#${piece.dataset.place} .prose`).replaceChildren(piece.content);
            piece.remove();
        }
    };

    function beReady() {
        webui.withFocusKept(webui.normaliseAll);
        webui.ready = true;
        webui.showParts();
        webui.fillOptions();
        webui.noteTabChange();
        webui.callAll(uiLoadedCallbacks);
        document.documentElement.classList.add("webui-ready");
        performance.mark("webui-ready");
        return true;
    }

    document.addEventListener("DOMContentLoaded", () => {
        new MutationObserver(mutated).observe(document.body, {childList: true, subtree: true});
        const looking = setInterval(() => webui.ready ? clearInterval(looking) : mutated([]), 2000);  // whatever became complete without a change that is told
    });
})();
