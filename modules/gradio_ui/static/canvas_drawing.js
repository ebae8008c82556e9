// What is painted over a picture: one transparent layer of the picture's own pixels, with undo and redo. It is not shown itself:
// canvas_window.js shows what of it is in sight.

webui.tileSide = 256;     // undo keeps what a stroke covers in tiles of this many pixels a side
webui.undoPixels = 64e6;  // how many pixels all undo steps together may hold; four bytes each

webui.newCanvas = function(width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    return canvas;
};

// A line over `points` from stroke.last on; stroke.colour: CSS, null erases.
webui.strokeLine = function(paint, stroke, points) {
    paint.globalCompositeOperation = stroke.colour ? "source-over" : "destination-out";
    paint.strokeStyle = stroke.colour || "#000";
    paint.lineWidth = stroke.size;
    paint.lineCap = paint.lineJoin = "round";
    paint.beginPath();
    paint.moveTo(...stroke.last);
    points.forEach((point) => paint.lineTo(...point));
    paint.stroke();
    paint.globalCompositeOperation = "source-over";
};

webui.Drawing = class {
    constructor() {
        this.layer = webui.newCanvas(1, 1);
        this.paint = this.layer.getContext("2d", {willReadFrequently: true});  // in memory, where undo finds it
        this.onChange = () => {};
        this.onLine = () => {};    // (stroke, points): part of a stroke was painted
        this.onRegion = () => {};  // ([left, top, right, bottom]): this part of the layer is another now
        this.reset(1, 1);
    }

    get whole() {
        return [0, 0, this.layer.width, this.layer.height];
    }

    reset(width, height) {
        this.layer.width = width;
        this.layer.height = height;
        this.stroke = null;
        this.step = new Map();    // what the stroke at work covered: a tile's place -> ImageData, null for a blank tile
        this.inked = new Set();   // places of the tiles that may hold anything
        this.done = [];
        this.undone = [];
        this.version = 0;
        this.touched = false;  // whether there may be anything on the layer
        this.onRegion(this.whole);
    }

    // colour: CSS; null erases. size: the brush's width in pixels of the picture.
    begin(point, {colour, size}) {
        this.step = new Map();
        this.stroke = {last: point, colour, size};
        this.extend([point]);
    }

    extend(points) {
        const {stroke} = this;
        let from = stroke.last;
        for (const point of points) {
            this.cover(from, point);
            from = point;
        }
        webui.strokeLine(this.paint, stroke, points);
        this.onLine(stroke, points);
        stroke.last = from;
    }

    // Keeps what lies under a line, piece by piece: a long slanting one lies over few of the tiles between its ends.
    cover([x, y], [toX, toY]) {
        const reach = this.stroke.size / 2 + 2;
        const pieces = Math.max(1, Math.ceil(Math.hypot(toX - x, toY - y) / webui.tileSide));
        const [stepX, stepY] = [(toX - x) / pieces, (toY - y) / pieces];
        for (let piece = 0; piece < pieces; piece += 1) {
            const [left, top] = [x + stepX * piece, y + stepY * piece];
            this.keep(Math.min(left, left + stepX) - reach, Math.min(top, top + stepY) - reach,
                Math.max(left, left + stepX) + reach, Math.max(top, top + stepY) + reach);
        }
    }

    // What stands in the tiles of a rectangle, before it is painted over.
    keep(left, top, right, bottom) {
        const side = webui.tileSide;
        const first = (edge) => Math.max(0, Math.floor(edge / side)) * side;
        for (let y = first(top); y < Math.min(bottom, this.layer.height); y += side) {
            for (let x = first(left); x < Math.min(right, this.layer.width); x += side) {
                const place = `${x},${y}`;
                if (!this.step.has(place)) {
                    this.step.set(place, this.tile(place));
                    this.inked.add(place);
                }
            }
        }
    }

    tile(place) {
        if (!this.inked.has(place)) {
            return null;
        }
        const [x, y] = place.split(",").map(Number);
        return this.paint.getImageData(x, y, Math.min(webui.tileSide, this.layer.width - x), Math.min(webui.tileSide, this.layer.height - y));
    }

    // Puts the tiles of a step back; returns the step that would undo that.
    exchange(step) {
        const opposite = new Map();
        const region = [Infinity, Infinity, 0, 0];
        for (const [place, tile] of step) {
            const [x, y] = place.split(",").map(Number);
            opposite.set(place, this.tile(place));
            if (tile) {
                this.paint.putImageData(tile, x, y);
                this.inked.add(place);
            } else {
                this.paint.clearRect(x, y, webui.tileSide, webui.tileSide);
                this.inked.delete(place);
            }
            region[0] = Math.min(region[0], x);
            region[1] = Math.min(region[1], y);
            region[2] = Math.max(region[2], x + webui.tileSide);
            region[3] = Math.max(region[3], y + webui.tileSide);
        }
        this.onRegion(region);
        return opposite;
    }

    end() {
        if (this.stroke) {
            this.stroke = null;
            this.remember();
        }
    }

    // A stroke that was none: a second finger came down.
    cancel() {
        if (this.stroke) {
            this.stroke = null;
            this.exchange(this.step);
        }
    }

    clear() {
        if (this.touched) {
            this.step = new Map(Array.from(this.inked, (place) => [place, this.tile(place)]));
            this.inked = new Set();
            this.paint.clearRect(0, 0, this.layer.width, this.layer.height);
            this.remember();
            this.onRegion(this.whole);
        }
    }

    // Paints the region around a point. seen: the canvas whose colours bound the region; null: the layer's own edges do.
    fill([x, y], colour, seen) {
        const {width, height} = this.layer;
        const start = [Math.floor(x), Math.floor(y)];
        if (start[0] < 0 || start[1] < 0 || start[0] >= width || start[1] >= height) {
            return;
        }
        const drawn = this.paint.getImageData(0, 0, width, height);
        const bounds = seen ? seen.getContext("2d").getImageData(0, 0, width, height).data : drawn.data;
        const {region, left, top, right, bottom} = webui.floodRegion(bounds, width, height, start, seen ? webui.alikeColour : webui.alikeAlpha);
        const pixels = new Uint32Array(drawn.data.buffer);
        const [painted] = new Uint32Array(Uint8ClampedArray.of(...webui.colourBytes(colour), 255).buffer);
        for (let row = top; row < bottom; row += 1) {
            for (let index = row * width + left; index < row * width + right; index += 1) {
                if (region[index]) {
                    pixels[index] = painted;
                }
            }
        }
        this.step = new Map();
        this.keep(left, top, right, bottom);
        this.paint.putImageData(drawn, 0, 0, left, top, right - left, bottom - top);
        this.remember();
        this.onRegion([left, top, right, bottom]);
    }

    // One more step to undo.
    remember() {
        this.done.push(this.step);
        this.step = new Map();
        this.undone = [];
        const held = (steps) => steps.reduce((sum, step) => sum + Array.from(step.values()).filter(Boolean).length, 0) * webui.tileSide ** 2;
        while (this.done.length > 1 && held(this.done) > webui.undoPixels) {
            this.done.shift();
        }
        this.change();
    }

    undo() {
        this.go(this.done, this.undone);
    }

    redo() {
        this.go(this.undone, this.done);
    }

    go(from, to) {
        const step = this.stroke ? null : from.pop();
        if (step) {
            to.push(this.exchange(step));
            this.change();
        }
    }

    change() {
        this.version += 1;
        this.touched = true;
        this.onChange();
    }

    // A drawing that was kept: it lies under what may have been painted since.
    async restore(blob) {
        const kept = await createImageBitmap(blob);
        if (kept.width === this.layer.width && kept.height === this.layer.height) {
            this.keep(...this.whole);  // may hold something from now on
            this.step = new Map();
            this.paint.globalCompositeOperation = "destination-over";
            this.paint.drawImage(kept, 0, 0);
            this.paint.globalCompositeOperation = "source-over";
            this.version += 1;
            this.touched = true;
            this.onRegion(this.whole);
        }
        kept.close();
    }

    // The layer as a PNG file; null when nothing was ever painted.
    blob() {
        return this.touched ? webui.asPng(this.layer) : Promise.resolve(null);
    }
};

// A canvas as PNG. A large one is packed by a thread of its own, while the hand paints on.
webui.asPng = async function(canvas) {
    if (canvas.width * canvas.height < 1.5e6 || typeof OffscreenCanvas === "undefined") {
        return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    }
    const picture = await createImageBitmap(canvas);
    return new Promise((resolve) => {
        const packer = webui.pngPacker();
        packer.addEventListener("message", ({data}) => {
            packer.terminate();
            resolve(data);
        });
        packer.postMessage(picture, [picture]);
    });
};

webui.pngPacker = function() {
    const work = `onmessage = async ({data}) => {
        const canvas = new OffscreenCanvas(data.width, data.height);
        canvas.getContext("2d").drawImage(data, 0, 0);
        data.close();
        postMessage(await canvas.convertToBlob({type: "image/png"}));
    };`;
    const address = URL.createObjectURL(new Blob([work], {type: "text/javascript"}));
    const packer = new Worker(address);
    URL.revokeObjectURL(address);
    return packer;
};

webui.colourBytes = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

webui.alikeAlpha = (data, first, other) => (data[first + 3] > 200) === (data[other + 3] > 200);

webui.alikeColour = (data, first, other) => Math.abs(data[first] - data[other]) <= 24 &&
    Math.abs(data[first + 1] - data[other + 1]) <= 24 && Math.abs(data[first + 2] - data[other + 2]) <= 24;

// Which pixels are reached from `start` over pixels alike it: region has one byte each; all of them lie within left .. bottom.
webui.floodRegion = function(data, width, height, [x, y], alike) {
    const region = new Uint8Array(width * height);
    const first = (y * width + x) * 4;
    const open = (at) => !region[at] && alike(data, first, at * 4);
    const waiting = [y * width + x];
    let [left, top, right, bottom] = [x, y, x + 1, y + 1];
    while (waiting.length > 0) {
        let at = waiting.pop();
        if (!open(at)) {
            continue;
        }
        const row = Math.floor(at / width) * width;
        while (at > row && open(at - 1)) {
            at -= 1;
        }
        left = Math.min(left, at - row);
        top = Math.min(top, row / width);
        bottom = Math.max(bottom, row / width + 1);
        let above = false;
        let below = false;
        for (; at < row + width && open(at); at += 1) {
            region[at] = 1;
            const up = at - width >= 0 && open(at - width);
            const down = at + width < region.length && open(at + width);
            if (up && !above) {
                waiting.push(at - width);
            }
            if (down && !below) {
                waiting.push(at + width);
            }
            [above, below] = [up, down];
        }
        right = Math.max(right, at - row);
    }
    return {region, left, top, right, bottom};
};
