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
        this.path = null;  // a promise, from when it is first asked for
    }

    // After the server lost it.
    forgetPath() {
        this.path = null;
    }

    async onServer() {
        if (!this.blob) {
            return null;
        }
        const path = this.path ||= webui.upload(this.blob, this.name);
        try {
            return await path;
        } catch (error) {
            this.path = this.path === path ? null : this.path;
            throw error;
        }
    }
};
