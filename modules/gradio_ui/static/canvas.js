// A place for a picture: dropped, pasted or chosen; kept in the browser as a file, and sent to the server when it is asked for.

webui.canvases = {};

webui.uploadUrl = "./gradio_api/upload";

// Sends one file through Gradio's upload route; resolves to its path on the server.
webui.upload = async function(blob, name) {
    const form = new FormData();
    form.append("files", blob, name);
    const answer = await fetch(webui.uploadUrl, {method: "POST", body: form});
    if (!answer.ok) {
        throw new Error(`the server answered ${answer.status} to the upload`);
    }
    return (await answer.json())[0];
};

webui.element = function(tag, className, attributes = {}) {
    const element = document.createElement(tag);
    element.className = className;
    for (const [name, value] of Object.entries(attributes)) {
        element.setAttribute(name, value);
    }
    return element;
};

// A file that goes to the server once: changed, it goes again.
class UploadedFile {
    constructor(name) {
        this.name = name;
        this.blob = null;
        this.path = null;
    }

    set(blob) {
        this.blob = blob;
        this.path = null;
    }

    async onServer() {
        if (!this.blob) {
            return null;
        }
        if (!this.path) {
            const blob = this.blob;
            const path = await webui.upload(blob, this.name);
            this.path = this.blob === blob ? path : null;
            return path;
        }
        return this.path;
    }
}

class PictureCanvas {
    // place: the element that the server made; its data says what is drawn here.
    constructor(id, place) {
        this.id = id;
        this.label = place.dataset.label;
        this.kind = place.dataset.kind;
        this.size = [0, 0];
        this.picture = null;  // the <img>, while there is a picture
        this.file = new UploadedFile("picture.png");
        this.listeners = [];
        this.root = document.getElementById(id);
        this.build(place);
    }

    build(place) {
        this.empty = webui.element("div", "canvas-empty");
        this.chooser = webui.element("input", "canvas-file", {type: "file", accept: "image/*", "aria-label": `${this.label}: choose a file`});
        const choose = webui.element("button", "canvas-choose", {type: "button"});
        choose.append("Drop a picture here", webui.element("br", ""), "or click to choose one");
        choose.addEventListener("click", () => this.chooser.click());
        this.chooser.addEventListener("change", () => this.takeFiles(this.chooser.files));
        this.empty.append(choose);
        this.viewport = webui.element("div", "canvas-viewport", {tabindex: "0", role: "group", "aria-label": this.label});
        this.stage = webui.element("div", "canvas-stage");
        this.viewport.append(this.stage);
        this.bar = webui.element("div", "canvas-bar", {role: "toolbar", "aria-label": `${this.label}: tools`});
        this.addTool("remove", "✕", "Remove the picture", () => this.clear());
        this.title = webui.element("div", "canvas-title");
        this.title.textContent = this.label;
        place.append(this.title, this.bar, this.viewport, this.empty, this.chooser);
        this.root.addEventListener("dragover", (event) => this.dragged(event));
        this.root.addEventListener("dragleave", () => this.root.classList.remove("dragged"));
        this.root.addEventListener("drop", (event) => this.dropped(event));
        this.show();
    }

    addTool(name, sign, words, act) {
        const button = webui.element("button", `canvas-tool canvas-${name}`, {type: "button", title: words, "aria-label": words});
        button.textContent = sign;
        button.addEventListener("click", act);
        this.bar.append(button);
        return button;
    }

    onChange(callback) {
        this.listeners.push(callback);
    }

    changed() {
        webui.callAll(this.listeners, this);
    }

    show() {
        this.root.classList.toggle("has-picture", Boolean(this.picture));
    }

    // Takes a picture file (Blob). Throws when the browser cannot read it.
    async put(blob) {
        const image = new Image();
        image.alt = this.label;
        image.draggable = false;
        image.src = URL.createObjectURL(blob);
        try {
            await image.decode();
        } catch {
            URL.revokeObjectURL(image.src);
            throw new Error("this is not a picture that the browser can read");
        }
        this.drop();
        this.picture = image;
        this.size = [image.naturalWidth, image.naturalHeight];
        this.file.set(blob);
        this.stage.prepend(image);
        this.show();
        this.changed();
    }

    drop() {
        if (this.picture) {
            URL.revokeObjectURL(this.picture.src);
            this.picture.remove();
        }
        this.picture = null;
        this.file.set(null);
    }

    clear() {
        this.drop();
        this.chooser.value = "";
        this.show();
        this.changed();
    }

    async takeFiles(files) {
        const file = Array.from(files || []).find((each) => each.type.startsWith("image/"));
        if (!file) {
            webui.toast(`${this.label}: this is not a picture.`, "error");
            return;
        }
        await this.put(file).catch((error) => webui.toast(`${this.label}: ${error.message}.`, "error"));
    }

    dragged(event) {
        event.preventDefault();
        this.root.classList.add("dragged");
    }

    async dropped(event) {
        event.preventDefault();
        this.root.classList.remove("dragged");
        if (event.dataTransfer.files.length > 0) {
            this.takeFiles(event.dataTransfer.files);
            return;
        }
        const url = event.dataTransfer.getData("text/uri-list") || event.dataTransfer.getData("text/plain");
        if (url && new URL(url, location.href).origin === location.origin) {  // a picture of this page, dragged from a gallery
            await webui.fetchPicture(url).then((blob) => this.put(blob)).catch((error) => webui.toast(`${this.label}: ${error.message}.`, "error"));
        } else {
            webui.toast(`${this.label}: drop a picture file.`, "error");
        }
    }

    // What the server gets, as JSON text.
    async content() {
        try {
            return JSON.stringify({picture: await this.file.onServer()});
        } catch (error) {
            return JSON.stringify({error: `the picture could not be sent (${error.message})`});
        }
    }
}

webui.startCanvases = function() {
    for (const place of document.querySelectorAll(".canvas-place")) {
        const id = place.closest(".webui-canvas").id;
        webui.canvases[id] = new PictureCanvas(id, place);
    }
    document.addEventListener("paste", webui.pasteIntoCanvas);
};

// Ctrl+V puts a picture where the pointer is, or where the focus is, or into the canvas that shows.
webui.pasteIntoCanvas = function(event) {
    const files = Array.from(event.clipboardData?.files || []).filter((file) => file.type.startsWith("image/"));
    const shown = Object.values(webui.canvases).filter((canvas) => canvas.root.offsetParent);
    if (files.length === 0 || shown.length === 0) {
        return;
    }
    const aimed = shown.find((canvas) => canvas.root.matches(":hover")) || shown.find((canvas) => canvas.root.contains(document.activeElement));
    event.preventDefault();
    (aimed || shown.find((canvas) => !canvas.picture) || shown[0]).takeFiles(files);
};
