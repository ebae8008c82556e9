// What is on its way to Gradio's components: answers of the server to them, and files from them. A click on a button that reads one of them waits for it (early_clicks.js):
// Generate would send, "Save" write and "Send to" hand on what stood there before.

webui.underWay = new Set();     // {components, begun, until, isFile}
webui.underWayPatience = {start: 300, answer: 5000, file: 60000, taken: 100, fileTaken: 300};  // ms; the last two: until Gradio has taken over what came
webui.longestWait = 10000;      // ms; an extension that asks all the time must not keep a click for ever

// The page as Gradio was told of it: elem_id -> components, component -> what a click on it reads and fills, and what is filled after a file was put there.
webui.wiring = function() {
    const config = window.gradio_config;
    if (webui.knownWiring && webui.knownWiring.config === config) {
        return webui.knownWiring;
    }
    const wiring = webui.knownWiring = {config, places: new Map(), reads: new Map(), fills: new Map(), follows: new Map(), answers: new Map()};
    const add = (map, key, values) => map.set(key, [...(map.get(key) || []), ...values]);
    for (const {id, props} of config?.components || []) {
        add(wiring.places, props.elem_id || `component-${id}`, [id]);
    }
    for (const {id, targets, inputs, outputs, queue, backend_fn: asksServer} of config?.dependencies || []) {
        if (!targets.some(([, event]) => event === "tick")) {
            wiring.answers.set(id, outputs);
        }
        for (const [component, event] of targets) {
            if (event === "click") {
                add(wiring.reads, component, inputs);
                add(wiring.fills, component, asksServer && queue === false ? outputs : []);
            } else if (["change", "upload", "input"].includes(event)) {
                add(wiring.follows, component, outputs);
            }
        }
    }
    return wiring;
};

webui.wiredTo = (button, what) => (webui.wiring().places.get(button.id) || []).flatMap((component) => webui.wiring()[what].get(component) || []);

webui.setOut = function(components, patience, isFile = false) {
    const begun = performance.now();
    const entry = {components, begun, until: begun + webui.underWayPatience[patience], isFile};
    if (components.length > 0) {
        webui.underWay.add(entry);
        webui.endsLater(entry, webui.underWayPatience[patience]);
    }
    return entry;
};

webui.endsLater = (entry, wait) => setTimeout(() => {
    if (entry.until <= performance.now() + wait) {
        webui.underWay.delete(entry);
        webui.releaseEarly();
    }
}, wait);

webui.cameIn = function(entry) {
    entry.until = 0;
    webui.endsLater(entry, webui.underWayPatience[entry.isFile ? "fileTaken" : "taken"]);
};

// since: when the click came. earlier: the buttons that wait since before.
webui.awaitsAnswer = function(button, since, earlier) {
    if (webui.underWay.size === 0 && earlier.length === 0) {
        return false;
    }
    const read = new Set(webui.wiredTo(button, "reads"));
    const due = Array.from(webui.underWay).filter((entry) => entry.isFile || entry.begun < since + webui.longestWait).flatMap((entry) => entry.components);
    return [...due, ...earlier.flatMap((each) => webui.wiredTo(each, "fills"))].some((component) => read.has(component));
};

// A click that is done: Gradio asks the server a moment later.
webui.clickGoes = (button) => webui.setOut(webui.wiredTo(button, "fills"), "start");

// A file that was put into one of Gradio's fields goes to the server a moment later.
webui.fileGiven = function(event) {
    const isFile = event.type === "change" ? event.target.matches?.("input[type=file]") : (event.dataTransfer || event.clipboardData)?.files.length > 0;
    const {places, follows} = webui.wiring();
    let place = isFile ? event.target : null;
    while (place && !places.has(place.id)) {
        place = place.parentElement;
    }
    if (place && !event.target.closest(".webui-canvas")) {
        const components = places.get(place.id);
        webui.fileUnderWay = webui.setOut([...components, ...components.flatMap((component) => follows.get(component) || [])], "start", true);
    }
};

webui.startOfRequest = function(url, options) {
    if (url.includes("/upload?upload_id=") && webui.fileUnderWay) {
        return webui.setOut(webui.fileUnderWay.components, "file", true);
    }
    if (url.endsWith("/run/predict") && typeof options?.body === "string") {
        return webui.setOut(webui.wiring().answers.get(JSON.parse(options.body).fn_index) || [], "answer");
    }
    return null;
};

webui.plainFetch = window.fetch;

window.fetch = function(source, options) {
    const answer = webui.plainFetch.call(window, source, options);
    answer.then((response) => response.headers.get("X-Page-Is-Old") && webui.pageIsOld(options?.body), () => {});
    const entry = webui.startOfRequest(String(source?.url || source), options);
    if (entry) {
        const over = () => webui.cameIn(entry);
        answer.then((response) => response.clone().arrayBuffer()).then(over, over);
    }
    return answer;
};

["change", "drop", "paste"].forEach((kind) => document.addEventListener(kind, webui.fileGiven, {capture: true, passive: true}));
