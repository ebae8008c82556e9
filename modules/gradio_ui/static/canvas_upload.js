// Files on their way to the server: through Gradio's own upload route, each once.

webui.uploadUrl = "./gradio_api/upload";

// Resolves to the file's path on the server.
webui.upload = async function(blob, name) {
    const form = new FormData();
    form.append("files", blob, name);
    const answer = await fetch(webui.uploadUrl, {method: "POST", body: form});
    if (!answer.ok) {
        throw new Error(`the server answered ${answer.status} to the upload`);
    }
    return (await answer.json())[0];
};

// A file that goes to the server when it is asked for: changed, it goes again.
webui.UploadedFile = class {
    constructor(name) {
        this.name = name;
        this.set(null);
    }

    set(blob) {
        this.blob = blob;
        this.path = null;
    }

    // After the server lost it.
    forgetPath() {
        this.path = null;
    }

    async onServer() {
        const blob = this.blob;
        if (!blob) {
            return null;
        }
        const path = this.path || await webui.upload(blob, this.name);
        if (this.blob === blob) {
            this.path = path;
        }
        return path;
    }
};

// Whether a WebP's EXIF asks to be turned: the server does so, browsers show such a file as it lies. They agree about all other kinds.
webui.isTurnedWebp = async function(blob) {
    if (blob.type !== "image/webp") {
        return false;
    }
    const view = new DataView(await blob.arrayBuffer());
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
                return view.getUint16(entries + 10 + 12 * n, little) > 1;
            }
        }
    } catch (error) {
        if (!(error instanceof RangeError)) {               // the end of the file, before anything was found
            throw error;
        }
    }
    return false;
};
