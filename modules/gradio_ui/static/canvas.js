// A place for a picture: dropped, pasted or chosen, and painted on where its kind says so. canvas_tools.js has the tools,
// canvas_view.js the zoom, canvas_drawing.js the paint, canvas_memory.js what survives a reload.

webui.canvases = {};

webui.restMilliseconds = 400;  // so long after a stroke the drawing is kept

webui.element = function(tag, className, attributes = {}) {
    const element = document.createElement(tag);
    element.className = className;
    for (const [name, value] of Object.entries(attributes)) {
        element.setAttribute(name, value);
    }
    return element;
};

webui.PictureCanvas = class {
    // place: the element that the server made. Its data: label, and kind: "picture" and "masked" take no paint,
    // "mask" takes one colour, "sketch" and "colour-mask" take any.
    constructor(id, place) {
        this.id = id;
        this.label = place.dataset.label;
        this.kind = place.dataset.kind;
        this.size = [0, 0];
        this.picture = null;  // the <img>, while there is a picture
        this.file = new webui.UploadedFile("picture.png");
        this.layerFile = new webui.UploadedFile("drawing.png");
        this.layerVersion = 0;  // of the drawing in layerFile
        this.listeners = [];
        this.arrivals = 0;    // pictures that were put here, or taken away
        this.arriving = null; // resolves when the last of them is here
        this.root = place.closest(".webui-canvas");
        this.root.prepend(place);  // out of Gradio's text block, whose style would reach in
        this.drawing = ["mask", "sketch", "colour-mask"].includes(this.kind) ? new webui.Drawing() : null;
        this.build(place);
        this.view = new webui.CanvasView(this.viewport, this.stage);
        if (this.drawing) {
            this.window = new webui.DrawingWindow(this.view, this.drawing);
            this.viewport.append(this.window.canvas);
            this.drawing.onChange = () => this.painted();
        }
        this.tools = new webui.CanvasTools(this);
        this.restoring = this.restore();
    }

    get isColoured() {
        return this.kind === "sketch" || this.kind === "colour-mask";
    }

    build(place) {
        this.empty = webui.element("div", "canvas-empty");
        this.chooser = webui.element("input", "canvas-file", {type: "file", accept: "image/*", "aria-label": `${this.label}: choose a file`});
        const choose = webui.element("button", "canvas-choose", {type: "button", "aria-label": `${this.label}: drop a picture, or choose a file`});
        choose.append("Drop a picture here", webui.element("br", ""), "- or -", webui.element("br", ""), "click to choose a file");
        choose.addEventListener("click", () => this.chooser.click());
        this.chooser.addEventListener("change", () => this.takeFiles(this.chooser.files));
        this.empty.append(choose);
        this.viewport = webui.element("div", "canvas-viewport", {tabindex: "0", role: "group", "aria-label": this.label});
        this.stage = webui.element("div", "canvas-stage");
        this.viewport.append(this.stage);
        this.bar = webui.element("div", "canvas-bar", {role: "toolbar", "aria-label": `${this.label}: tools`});
        this.title = webui.element("div", "canvas-title");
        this.title.textContent = this.label;
        place.append(this.title, this.bar, this.viewport, this.empty, this.chooser);
        this.root.addEventListener("dragover", (event) => this.dragged(event));
        this.root.addEventListener("dragleave", () => this.root.classList.remove("dragged"));
        this.root.addEventListener("drop", (event) => this.dropped(event));
    }

    // callback(canvas), after the picture came or went.
    onChange(callback) {
        this.listeners.push(callback);
    }

    changed() {
        this.root.classList.toggle("has-picture", Boolean(this.picture));
        if (this.picture) {
            this.view.setSize(...this.size);
        }
        this.tools.refresh();
        webui.callAll(this.listeners, this);
    }

    // Takes a picture file (a Blob, or a promise of one); what was painted goes. Throws when the browser cannot read it.
    // Of several on their way the last one stays, whichever takes longest.
    put(blob) {
        this.arrivals++;
        return this.arriving = this.arrive(blob, this.arrivals);
    }

    async arrive(promised, turn) {
        const blob = await promised;
        const [image, readable] = await webui.readPicture(blob);
        image.alt = this.label;
        image.draggable = false;
        const file = await webui.asServerReads(image, readable);
        if (turn !== this.arrivals) {
            URL.revokeObjectURL(image.src);
            return;
        }
        this.drop();
        this.picture = image;
        this.size = [image.naturalWidth, image.naturalHeight];
        this.file.set(file);
        this.drawing?.reset(...this.size);
        this.stage.prepend(image);
        this.changed();
        webui.keepBlob(this.id, "picture", file);
        webui.keepBlob(this.id, "drawing", null);
    }

    drop() {
        if (this.picture) {
            URL.revokeObjectURL(this.picture.src);
            this.picture.remove();
        }
        this.picture = null;
        this.file.set(null);
        this.layerFile.set(null);
        this.layerVersion = 0;
        this.drawing?.reset(1, 1);
    }

    remove() {
        this.arrivals++;
        this.drop();
        this.chooser.value = "";
        this.tools.setFull(false);
        this.changed();
        webui.keepBlob(this.id, "picture", null);
        webui.keepBlob(this.id, "drawing", null);
    }

    async restore() {
        const [picture, drawing] = await Promise.all(["picture", "drawing"].map((what) => webui.keptBlob(this.id, what)));
        if (!picture || this.arrivals > 0) {
            return;
        }
        await this.put(picture).catch((error) => console.warn("a kept picture could not be read", error));
        if (this.picture && drawing && this.drawing && !this.drawing.touched) {
            await this.drawing.restore(drawing);
            await webui.keepBlob(this.id, "drawing", drawing);
        }
    }

    // Something was painted: keep it when the hand rests.
    async painted() {
        this.tools.refresh();
        this.paintedAt = performance.now();
        if (this.keeping) {
            return;
        }
        this.keeping = true;
        let kept = 0;
        while (this.picture && kept !== this.drawing.version) {
            await this.handRests();
            kept = this.drawing.version;
            await webui.keepBlob(this.id, "drawing", (await this.drawn()).blob);
        }
        this.keeping = false;
    }

    // Resolves a moment after the last stroke, or when the page is left.
    async handRests() {
        while (!document.hidden && (this.drawing.stroke || performance.now() - this.paintedAt < webui.restMilliseconds)) {
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }

    // The drawing as a file, made anew when it changed.
    async drawn() {
        const {picture, drawing: {version}} = this;
        if (this.layerVersion !== version) {
            const blob = await this.drawing.blob();
            if (this.layerVersion < version && this.picture === picture) {
                this.layerFile.set(blob);
                this.layerVersion = version;
            }
        }
        return this.layerFile;
    }

    async takeFiles(files) {
        const all = Array.from(files || []);
        const file = all.find((each) => each.type.startsWith("image/")) || all[0];      // many systems do not know what kind a TGA or HEIC is
        if (file) {
            await this.putOrTell(file);
        }
    }

    async putOrTell(blob) {
        await this.put(blob).catch((error) => webui.toast(`${this.label}: ${error.message.replace(/\.$/, "")}.`, "error"));
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
        if (URL.canParse(url, location.href) && new URL(url, location.href).origin === location.origin) {  // from a gallery of this page
            await this.putOrTell(webui.fetchPicture(url));
        } else {
            webui.toast(`${this.label}: drop a picture file.`, "error");
        }
    }

    // Picture and paint in one canvas of the picture's size.
    composite() {
        const whole = webui.newCanvas(...this.size);
        const paint = whole.getContext("2d", {willReadFrequently: true});
        paint.drawImage(this.picture, 0, 0, ...this.size);
        if (this.drawing) {
            paint.drawImage(this.drawing.layer, 0, 0);
        }
        return whole;
    }

    // Resolves when what is still being read, or comes back after a reload, is here.
    async settled() {
        await Promise.allSettled([this.restoring]);
        await Promise.allSettled([this.arriving]);
    }

    // What "copy to" and "send to" hand on: the file itself, or picture and colours together.
    async handedOn() {
        await this.settled();
        if (!this.picture || !this.isColoured || !this.drawing.touched) {
            return this.file.blob;
        }
        return new Promise((resolve) => this.composite().toBlob(resolve, "image/png"));
    }

    // What the server gets, as JSON text.
    async content() {
        await this.settled();
        try {
            const drawn = this.drawing && this.picture ? this.drawn().then((file) => file.onServer()) : null;
            const [picture, drawing] = await Promise.all([this.file.onServer(), drawn]);
            return JSON.stringify({picture, drawing});
        } catch (error) {
            return JSON.stringify({error: `the picture could not be sent (${error.message})`});
        }
    }

    // The server said no: what it has may be gone.
    forgetUploads() {
        this.file.forgetPath();
        this.layerFile.forgetPath();
    }
};

webui.serverReads = /^image\/(png|jpeg|webp|gif|bmp|avif|tiff)$/;

// The file itself, or as PNG where only the browser can read it (SVG, on some also HEIC).
webui.asServerReads = async function(image, blob) {
    if (webui.serverReads.test(blob.type)) {
        return blob;
    }
    if (!image.naturalWidth) {
        throw new Error("this drawing has no size of its own");
    }
    const flat = webui.newCanvas(image.naturalWidth, image.naturalHeight);
    flat.getContext("2d").drawImage(image, 0, 0);
    return new Promise((resolve) => flat.toBlob(resolve, "image/png"));
};

// Those that are new in the page.
webui.startCanvases = function() {
    for (const place of document.querySelectorAll(".canvas-place")) {
        const {id} = place.closest(".webui-canvas");
        if (!webui.canvases[id]) {
            place.dataset.testid = "image";         // by which extensions look for a picture's place in Gradio's own
            webui.canvases[id] = new webui.PictureCanvas(id, place);
        }
    }
};

webui.listenForCanvases = function() {
    webui.forgetOldBlobs();
    document.addEventListener("paste", webui.pasteIntoCanvas);
    document.addEventListener("keydown", webui.canvasKey);
    document.addEventListener("keyup", webui.canvasKeyUp);
};

// Ctrl+V puts a picture where the pointer is, or where the focus is, or into the canvas that shows; on PNG Info and on extensions' tabs into Gradio's own field.
webui.pasteIntoCanvas = function(event) {
    const files = Array.from(event.clipboardData?.files || []).filter((file) => file.type.startsWith("image/"));
    const shown = webui.shownCanvases();
    const fields = Array.from(document.querySelectorAll(".block.gradio-image")).filter((field) => field.offsetParent && !field.closest(".webui-canvas"));
    const field = fields.find((each) => each.matches(":hover")) || (shown.length === 0 && (fields.find((each) => !each.querySelector("img")) || fields[0]));
    if (files.length === 0 || (shown.length === 0 && !field)) {
        return;
    }
    event.preventDefault();
    if (field) {
        webui.giveToGradio(field, files[0]);
        return;
    }
    (webui.aimedCanvas(shown) || shown.find((canvas) => !canvas.picture) || shown[0]).takeFiles(files);
};

// Gradio takes a file only where its field is empty.
webui.giveToGradio = async function(field, file) {
    let pressed = null;                         // the button comes with the picture, which may still be on its way
    for (let tries = 0; tries < 300 && !field.querySelector("input[type=file]"); tries += 1) {
        const button = field.querySelector("button:is([aria-label='Remove Image'], [aria-label='Clear'])");
        if (button !== pressed) {
            button?.click();
            pressed = button;
        }
        await webui.nextFrame();
    }
    const input = field.querySelector("input[type=file]");
    if (input) {
        const given = new DataTransfer();
        given.items.add(file);
        input.files = given.files;
        input.dispatchEvent(new Event("change", {bubbles: true}));
    }
};

// Not by offsetParent: a canvas that fills the window has none.
webui.shownCanvases = () => Object.values(webui.canvases).filter((canvas) => canvas.root.getClientRects().length);

// The one under the pointer, or with the focus.
webui.aimedCanvas = (canvases) => canvases.find((canvas) => canvas.root.matches(":hover, .canvas-full")) ||
    canvases.find((canvas) => canvas.root.contains(document.activeElement));
