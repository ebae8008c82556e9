// Pictures the right way up, as the server reads them: some browsers show a WebP as it lies, whatever its EXIF says. They agree about all other kinds.

webui.decodedPicture = async function(blob) {
    const image = new Image();
    image.src = URL.createObjectURL(blob);
    try {
        await image.decode();
    } catch {
        URL.revokeObjectURL(image.src);
        throw new Error("this is not a picture that the browser can read");
    }
    return image;
};

// A picture to show and the file it is of: where the browser cannot read it (TIFF, TGA, JPEG 2000), the server's copy. Throws the server's sentence when it cannot either.
webui.readPicture = async function(blob) {
    try {
        return [await webui.decodedPicture(await webui.upright(blob)), blob];
    } catch {
        const text = await new Promise((resolve) => {
            const reader = new FileReader();
            reader.addEventListener("loadend", () => resolve(reader.result || ""));
            reader.readAsDataURL(blob);
        });
        const {image} = await webui.ask("internal/readable-picture", {method: "POST", body: {image: text}});
        const copy = new Blob([Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0))], {type: "image/png"});
        return [await webui.decodedPicture(copy), copy];
    }
};

// What is to be shown of the file: itself, or a turned copy.
webui.upright = async function(blob) {
    const way = blob.type === "image/webp" ? webui.webpOrientation(new DataView(await blob.arrayBuffer())) : 1;
    if (!webui.turns[way] || await webui.browserTurnsWebp()) {
        return blob;
    }
    const lying = await webui.decodedPicture(blob);
    const {naturalWidth: width, naturalHeight: height} = lying;
    const turned = webui.newCanvas(...way > 4 ? [height, width] : [width, height]);
    const paint = turned.getContext("2d");
    paint.setTransform(...webui.turns[way](width, height));
    paint.drawImage(lying, 0, 0);
    URL.revokeObjectURL(lying.src);
    return new Promise((resolve) => turned.toBlob(resolve, "image/png"));
};

// By EXIF's orientation: the canvas' transformation for a picture of this size.
webui.turns = {
    2: (width) => [-1, 0, 0, 1, width, 0],
    3: (width, height) => [-1, 0, 0, -1, width, height],
    4: (width, height) => [1, 0, 0, -1, 0, height],
    5: () => [0, 1, 1, 0, 0, 0],
    6: (width, height) => [0, 1, -1, 0, height, 0],
    7: (width, height) => [0, -1, -1, 0, height, width],
    8: (width) => [0, -1, 1, 0, 0, width],
};

// A WebP of 2x1 pixels that asks to be turned.
webui.lyingWebp = "data:image/webp;base64,UklGRk4AAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TA4AAAAvAQAAAAcQEf0PRET/A0VYSUYaAAAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA=";

webui.browserTurnsWebp = async function() {
    const probe = new Image();
    probe.src = webui.lyingWebp;
    await probe.decode();
    return probe.naturalHeight > probe.naturalWidth;
};

// EXIF's orientation of a WebP file; 1 where it says nothing.
webui.webpOrientation = function(view) {
    const word = (at) => String.fromCharCode(...[0, 1, 2, 3].map((n) => view.getUint8(at + n)));
    try {
        let at = 12;                                        // behind "RIFF", the size and "WEBP"
        while (word(at) !== "EXIF") {
            at += 8 + view.getUint32(at + 4, true) + view.getUint32(at + 4, true) % 2;
        }
        at += word(at + 8) === "Exif" ? 14 : 8;             // some write JPEG's "Exif\0\0" in front
        const little = view.getUint16(at) === 0x4949;
        const entries = at + view.getUint32(at + 4, little);
        for (let n = 0; n < view.getUint16(entries, little); n++) {
            if (view.getUint16(entries + 2 + 12 * n, little) === 0x0112) {
                return view.getUint16(entries + 10 + 12 * n, little);
            }
        }
    } catch (error) {
        if (!(error instanceof RangeError)) {               // the end of the file, before anything was found
            throw error;
        }
    }
    return 1;
};
