// The Checkpoint Merger: a click sends the job under an id of the page's; then the page watches it as any other.

/* exported modelmerger */

webui.mergeId = "";
webui.mergeComplaint = null;  // stays until it is closed, or until the next click on Merge

function modelmerger(...values) {
    values[0] = randomId();
    webui.mergeComplaint?.remove();
    return values;
}

webui.mergeRunning = function(on) {
    const button = document.getElementById("modelmerger_merge");
    button.disabled = on;
    document.getElementById("modelmerger_interrupt").style.setProperty("display", on ? "inline-flex" : "none", "important");
};

webui.watchMerge = function(id) {
    webui.mergeId = id;
    webui.mergeRunning(true);
    const panel = webui.find("#modelmerger_results_panel");
    const view = new webui.ProgressView(panel, null);
    view.show({progress: 0});
    webui.followProgress(id, view, {
        atEnd: () => {
            view.remove();
            webui.mergeRunning(false);
            document.getElementById("modelmerger_collect").click();
        },
        inactivityTimeout: 10,
    });
};

webui.mergeAnswered = function(text) {
    const answer = text ? JSON.parse(text) : {error: "The server did not take the request. Is it still running?"};
    if (answer.error) {
        webui.mergeComplaint = webui.toast(answer.error, "error");
        return;
    }
    webui.watchMerge(answer.id);
};

onUiLoaded(() => {
    const running = (webui.boot.jobs || []).filter((job) => job.tab === "merge").pop();
    if (running && document.getElementById("modelmerger_merge")) {
        webui.watchMerge(running.id);
    }
});
