// A tab whose work is a job that makes no pictures for its gallery: a click sends it under an id of the page's; then the page watches it as any other.

/* exported modelmerger, start_training_textual_inversion */

webui.WorkPanel = class {
    // kinds: of the jobs that it shows. panel, gallery: selectors of what the bar stands before, and of where previews are laid over, if anywhere.
    // buttons: ids of those that wait meanwhile; interrupt, collect: ids; hides: whether Interrupt is seen only while something runs.
    constructor({kinds, panel, gallery, buttons, interrupt, collect, hides, onProgress}) {
        Object.assign(this, {kinds, panel, gallery, buttons, interrupt, collect, hides, onProgress, id: "", complaint: null});
        onUiLoaded(() => this.takeUp());
    }

    // What a click hands over, with the id in its first place. A complaint stays until it is closed, or until the next click.
    sent(values) {
        values[0] = randomId();
        this.complaint?.remove();
        return values;
    }

    answered(text) {
        const answer = text ? JSON.parse(text) : {error: "The server did not take the request. Is it still running?"};
        if (answer.error) {
            this.complaint = webui.toast(answer.error, "error");
            return;
        }
        this.watch(answer.id);
    }

    watch(id) {
        this.id = id;
        this.running(true);
        const view = new webui.ProgressView(webui.find(this.panel), this.gallery ? webui.find(this.gallery) : null);
        view.show({progress: 0});
        webui.followProgress(id, view, {
            atEnd: () => {
                view.remove();
                this.running(false);
                document.getElementById(this.collect).click();
            },
            onProgress: this.onProgress,
            inactivityTimeout: 10,
        });
    }

    running(on) {
        for (const id of this.buttons) {
            document.getElementById(id).disabled = on;
        }
        const button = document.getElementById(this.interrupt);
        if (this.hides) {
            button.style.setProperty("display", on ? "inline-flex" : "none", "important");
        } else {
            button.disabled = !on;
        }
    }

    // A page that comes while the work goes on.
    takeUp() {
        if (!document.getElementById(this.collect)) {
            return;
        }
        const running = (webui.boot.jobs || []).filter((job) => this.kinds.includes(job.tab)).pop();
        if (running) {
            this.watch(running.id);
        } else {
            this.running(false);
        }
    }
};

webui.merger = new webui.WorkPanel({
    kinds: ["merge"], panel: "#modelmerger_results_panel", buttons: ["modelmerger_merge"], interrupt: "modelmerger_interrupt", collect: "modelmerger_collect", hides: true,
});

webui.training = new webui.WorkPanel({
    kinds: ["train-embedding", "train-hypernetwork"], panel: "#ti_gallery_container", gallery: "#ti_gallery_container",
    buttons: ["train_train_embedding", "train_train_hypernetwork"], interrupt: "train_interrupt_training", collect: "train_collect",
    onProgress: (state) => {
        document.getElementById("ti_progress").querySelector("p").textContent = state.textinfo || "";
    },
});

function modelmerger(...values) {
    return webui.merger.sent(values);
}

function start_training_textual_inversion(...values) {
    return webui.training.sent(values);
}
