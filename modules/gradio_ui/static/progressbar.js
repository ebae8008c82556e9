// Follows one job on the server: polls /internal/progress, draws the bar, the live preview and the window's title.

/* exported requestProgress, randomId, formatTime, request */

function randomId() {
    const letters = crypto.getRandomValues(new Uint8Array(8));
    return "task(" + Array.from(letters, (byte) => byte.toString(36).padStart(2, "0")).join("") + ")";
}

function formatTime(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (number) => String(number).padStart(2, "0");
    if (hours > 0) {
        return `${hours}:${two(minutes)}:${two(rest)}`;
    }
    return minutes > 0 ? `${minutes}:${two(rest)}` : `${rest}s`;
}

// POSTs JSON and hands the JSON answer to `handler`; anything else goes to `errorHandler`.
function request(url, data, handler, errorHandler) {
    fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(data)})
        .then((answer) => answer.ok ? answer.json() : Promise.reject(new Error(`${url} answered ${answer.status}`)))
        .then(handler, errorHandler);
}

webui.plainTitle = "Stable Diffusion";

webui.setTitle = function(words) {
    document.title = words ? `[${words}] ${webui.plainTitle}` : webui.plainTitle;
};

// The words on the bar: percentage and time left, or the place in the queue.
webui.progressWords = function(state) {
    if (state.queued) {
        return state.textinfo || "In queue";
    }
    const percent = state.progress > 0 ? `${Math.round(state.progress * 100)}%` : "";
    const eta = state.eta ? `ETA: ${formatTime(state.eta)}` : "";
    return [percent, eta, (state.textinfo || "").split("\n")[0]].filter(Boolean).join(" ") || "Starting";     // a training says more below
};

webui.ProgressView = class {
    // container: the element before which the bar stands; gallery: where the preview is laid over, or null.
    constructor(container, gallery) {
        this.gallery = gallery;
        this.bar = document.createElement("div");
        this.bar.className = "progressDiv";
        this.bar.setAttribute("role", "progressbar");
        this.bar.setAttribute("aria-label", "Generation");
        this.bar.setAttribute("aria-valuemin", "0");
        this.bar.setAttribute("aria-valuemax", "100");
        this.fill = document.createElement("div");
        this.fill.className = "progress";
        this.words = document.createElement("span");
        this.bar.append(this.fill, this.words);
        this.bar.hidden = opts.show_progressbar === false;
        container.parentNode.insertBefore(this.bar, container);
        this.preview = null;
    }

    show(state) {
        const words = webui.progressWords(state);
        const percent = state.queued ? 0 : Math.round((state.progress || 0) * 100);
        this.fill.style.width = `${percent}%`;
        this.words.textContent = words;
        this.bar.setAttribute("aria-valuenow", String(percent));
        this.bar.setAttribute("aria-valuetext", words);
        if (opts.show_progress_in_title !== false) {
            webui.setTitle(words);
        }
        if (state.live_preview && this.gallery) {
            this.showPreview(state.live_preview);
        }
    }

    showPreview(source) {
        if (!this.preview) {
            this.preview = document.createElement("div");
            this.preview.className = "livePreview";
            const picture = document.createElement("img");
            picture.alt = "The picture so far";
            this.preview.append(picture);
            this.gallery.append(this.preview);
        }
        this.preview.firstChild.src = source;
        if (opts.js_live_preview_in_modal_lightbox && webui.lightbox.isOpen() && this.gallery.contains(webui.lightbox.gallery)) {
            webui.lightbox.show(source);
        }
    }

    // The bar goes at once; the preview stays until the result is there to take its place.
    finish() {
        this.bar.remove();
        webui.setTitle("");
    }

    remove() {
        this.finish();
        if (this.preview) {
            this.preview.remove();
        }
    }
};

// Polls until the server has finished with the job. atEnd() is called once; onProgress(state) at each answer.
// A lost connection is not an end: it is said on the bar, and the page asks again. A job that the server never spoke of
// is given up after inactivityTimeout seconds, one that it has forgotten after a few answers.
webui.followProgress = function(idTask, view, {atEnd, onProgress, inactivityTimeout = 40}) {
    const began = Date.now();
    let previewId = -1;
    let unknown = 0;
    let known = false;
    let failures = 0;

    // Often at first, because a short job is over soon; then at the period of the settings, but not past the expected end.
    function pause(state) {
        const period = Math.max(100, Number(opts.live_preview_refresh_period) || 1000);
        const early = Date.now() - began < 3000 ? 250 : period;
        const end = state.eta > 0 ? state.eta * 1000 : period;
        return Math.max(100, Math.min(period, early, end));
    }

    function again(wait) {
        setTimeout(ask, wait);
    }

    function answered(state) {
        failures = 0;
        if (state.id_live_preview !== undefined && state.id_live_preview !== null) {
            previewId = state.id_live_preview;
        }
        const idle = !state.active && !state.queued;
        unknown = idle && !state.completed ? unknown + 1 : 0;
        known = known || !idle;
        const waitedLong = Date.now() - began > inactivityTimeout * 1000;
        if (state.completed || (unknown > 3 && known) || (unknown > 0 && waitedLong)) {
            atEnd();
            return;
        }
        view.show(state);
        if (onProgress) {
            onProgress(state);
        }
        again(pause(state));
    }

    function failed() {
        failures += 1;
        view.show({progress: 0, textinfo: "Connection lost, trying again"});
        again(Math.min(10000, 500 * 2 ** failures));
    }

    function ask() {
        const livePreview = opts.live_previews_enable !== false && !document.hidden;
        request("./internal/progress", {id_task: idTask, id_live_preview: previewId, live_preview: livePreview}, answered, failed);
    }

    ask();
};

// A1111's form, for extensions.
function requestProgress(idTask, progressbarContainer, gallery, atEnd, onProgress, inactivityTimeout = 40) {
    const view = new webui.ProgressView(progressbarContainer, gallery);
    const end = () => {
        view.remove();
        atEnd();
    };
    webui.followProgress(idTask, view, {atEnd: end, onProgress, inactivityTimeout});
}
