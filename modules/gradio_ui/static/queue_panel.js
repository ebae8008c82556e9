// The queue as a panel at the side: what runs, what waits, what ended; order, pause, stop, try again.

webui.queue = {open: false, last: "", state: null, previewId: -1, previewOf: "", preview: ""};

webui.queueTick = {open: 700, closed: 5000};  // ms between two looks at the server

webui.queue.act = async function(path, method = "POST") {
    const answer = await webui.attempt(() => webui.ask(path, {method}));
    await webui.queue.refresh();
    return answer;
};

webui.queue.job = (job, act, query = "") => webui.queue.act(`./internal/jobs/${encodeURIComponent(job.id)}/${act}${query}`);

webui.queue.button = (words, title, act, kind = "") => webui.make("button", {type: "button", class: `queue-act ${kind}`, title, "aria-label": title, disabled: kind === "off", text: words, onclick: act});

webui.queue.title = (job) => job.prompt || (job.about ? `${job.kind}: ${job.about}` : `(${job.kind}, no prompt)`);

webui.queue.runningCard = function(job, paused) {
    const percent = Math.round(job.progress * 100);
    const words = [paused ? "Paused" : `${percent}%`, job.eta && !paused ? `ETA ${formatTime(job.eta)}` : "", (job.textinfo || "").split("\n")[0]].filter(Boolean).join(" · ");
    const bar = webui.make("div", {class: "queue-bar", role: "progressbar", "aria-label": "Running job", "aria-valuenow": percent, "aria-valuemin": 0, "aria-valuemax": 100},
        webui.make("div", {style: `width: ${percent}%`}));
    const acts = webui.make("div", {class: "queue-acts"},
        job.batches > 1 ? webui.queue.button(job.stopping ? "Stopping after this picture" : "Stop after this picture", "Finish this picture, begin no other", () => webui.queue.job(job, "stop")) : null,
        job.batches > 1 ? webui.queue.button("Skip", "Leave this picture, go on with the next one", () => webui.queue.job(job, "skip")) : null,
        webui.queue.button("Interrupt now", "Stop at the next step; what is finished is kept", () => webui.queue.job(job, "interrupt"), "stop"));
    const picture = webui.queue.preview && webui.queue.previewOf === job.id ? webui.make("img", {class: "queue-preview", src: webui.queue.preview, alt: "The picture so far"}) : null;
    return webui.make("div", {class: "queue-job running", "data-job": job.id}, picture,
        webui.make("div", {class: "queue-words"}, webui.make("p", {class: "queue-prompt", text: webui.queue.title(job)}), bar,
            webui.make("p", {class: "queue-note", text: words}), acts));
};

webui.queue.waitingCard = function(job, count) {
    const place = job.position;
    const acts = webui.make("div", {class: "queue-acts"},
        webui.queue.button("▲", "Earlier", () => webui.queue.job(job, "move", `?place=${place - 1}`), place > 1 ? "" : "off"),
        webui.queue.button("▼", "Later", () => webui.queue.job(job, "move", `?place=${place + 1}`), place < count ? "" : "off"),
        webui.queue.button("Next", "To the front of the queue", () => webui.queue.job(job, "move", "?place=1"), place > 1 ? "" : "off"),
        webui.queue.button("Cancel", "Take it out of the queue", () => webui.queue.job(job, "interrupt"), "stop"));
    return webui.make("li", {class: "queue-job", "data-job": job.id},
        webui.make("div", {class: "queue-words"}, webui.make("p", {class: "queue-prompt", text: `${place}. ${webui.queue.title(job)}`}),
            webui.make("p", {class: "queue-note", text: `${job.kind}${job.source === "api" ? " · over the API" : ""}`}), acts));
};

webui.QUEUE_STATES = {done: "Done", failed: "Failed", interrupted: "Interrupted", set_aside: "Set aside"};

webui.queue.finishedCard = function(job) {
    const took = job.started && job.finished ? formatTime(job.finished - job.started) : "";
    const when = job.finished ? new Date(job.finished * 1000).toLocaleTimeString() : "";
    const acts = webui.make("div", {class: "queue-acts"},
        webui.jobs[job.kind] && job.started ? webui.queue.button("Show", "Show its pictures in the tab", () => webui.queue.show(job)) : null,
        webui.queue.button("Again", "Put the same request in line once more", () => webui.queue.retry(job)),
        webui.queue.button("Remove", "Take it off this list; pictures stay on disk", () => webui.queue.act(`./internal/jobs/${encodeURIComponent(job.id)}`, "DELETE")));
    const note = [webui.QUEUE_STATES[job.state] || job.state, when, took, job.error].filter(Boolean).join(" · ");
    return webui.make("li", {class: `queue-job ${job.state}`, "data-job": job.id},
        webui.make("div", {class: "queue-words"}, webui.make("p", {class: "queue-prompt", text: webui.queue.title(job)}),
            webui.make("p", {class: "queue-note", text: note}), acts));
};

webui.queue.show = function(job) {
    const jobs = webui.jobs[job.kind];
    webui.showTab(`tab_${job.kind}`);
    jobs.own = true;
    jobs.takeUp(job.id, true);
    if (window.innerWidth < 900) {
        webui.queue.toggle(false);
    }
};

webui.queue.retry = async function(job) {
    const again = await webui.queue.job(job, "retry");
    if (again && again.id && webui.jobs[again.tab]) {
        webui.jobs[again.tab].own = true;
        webui.jobs[again.tab].takeUp(again.id);
    }
};

webui.queue.draw = function(state) {
    const panel = document.getElementById("webui_queue");
    if (!panel) {
        return;
    }
    const paused = state.paused;
    const shown = JSON.stringify([state, webui.queue.preview]);
    if (shown === webui.queue.last || panel.contains(document.activeElement) && webui.queue.pressed) {
        return;
    }
    webui.queue.last = shown;
    const focused = panel.contains(document.activeElement) ? [document.activeElement.title, document.activeElement.closest("[data-job]")?.dataset.job] : null;
    const pause = panel.querySelector(".queue-pause");
    pause.textContent = paused ? "Resume" : "Pause";
    pause.title = paused ? "Go on" : "Hold the running job at its next step, and begin no other";
    pause.setAttribute("aria-pressed", String(paused));
    const list = (title, jobs, card) => jobs.length === 0 ? [] : [webui.make("h3", {text: title}), webui.make("ul", {}, ...jobs.map(card))];
    panel.querySelector(".queue-body").replaceChildren(
        ...(paused ? [webui.make("p", {class: "queue-paused", text: "The queue is paused: nothing is begun until you resume."})] : []),
        ...(state.running ? [webui.queue.runningCard(state.running, paused)] : []),
        ...list(`Waiting (${state.pending.length})`, state.pending, (job) => webui.queue.waitingCard(job, state.pending.length)),
        ...(state.running || state.pending.length ? [] : [webui.make("p", {class: "queue-note", text: "Nothing runs and nothing waits. Generate puts jobs in line here, also while one runs."})]),
        ...list("Finished", state.finished, webui.queue.finishedCard));
    if (focused) {
        const home = focused[1] ? panel.querySelector(`[data-job="${CSS.escape(focused[1])}"]`) : panel;
        Array.from(home?.querySelectorAll("button") || []).find((button) => button.title === focused[0])?.focus();
    }
};

webui.queue.refresh = async function() {
    try {
        const state = await webui.ask(`./internal/jobs?count=${webui.queue.open ? 20 : 0}`);
        await webui.queue.lookAtPreview(state);
        webui.queue.state = state;
        webui.queue.badge(state);
        webui.queue.follow(state.running);
        if (webui.queue.open) {
            webui.queue.draw(state);
        }
    } catch {
        // no connection: said elsewhere; the next look may find it again
    }
};

// A picture that another page or device asked for is shown here too, in a tab where nothing was asked for.
webui.queue.follow = function(job) {
    const jobs = job && job.source === "page" ? webui.jobs[job.kind] : null;
    if (jobs && !jobs.own && jobs.ids.length === 0 && !jobs.shown.has(job.id)) {
        jobs.takeUp(job.id);
    }
};

webui.queue.lookAtPreview = async function(state) {
    const job = state.running;
    if (!webui.queue.open || !job || opts.live_previews_enable === false) {
        webui.queue.preview = webui.queue.open && job ? webui.queue.preview : "";
        return;
    }
    if (webui.queue.previewOf !== job.id) {
        Object.assign(webui.queue, {previewOf: job.id, previewId: -1, preview: ""});
    }
    const seen = await webui.ask("./internal/progress", {method: "POST", body: {id_task: job.id, id_live_preview: webui.queue.previewId, live_preview: true}});
    if (seen.live_preview) {
        webui.queue.preview = seen.live_preview;
        webui.queue.previewId = seen.id_live_preview;
    }
};

webui.queue.badge = function(state) {
    const button = document.getElementById("webui_queue_button");
    const count = state.pending.length + (state.running ? 1 : 0);
    const words = state.paused ? `Queue: paused${count ? `, ${count}` : ""}` : count ? `Queue: ${count}` : "Queue";
    if (button && button.textContent !== words) {
        button.textContent = words;
        button.classList.toggle("busy", count > 0);
        button.classList.toggle("paused", state.paused);
    }
};

webui.queue.toggle = function(open) {
    webui.queue.open = open;
    const button = document.getElementById("webui_queue_button");
    button.setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("queue-open", open);
    let panel = document.getElementById("webui_queue");
    if (!open) {
        panel?.remove();
        button.focus({preventScroll: true});
        return;
    }
    if (!panel) {
        panel = webui.make("aside", {id: "webui_queue", "aria-label": "Queue"},
            webui.make("header", {}, webui.make("h2", {text: "Queue"}),
                webui.make("button", {type: "button", class: "queue-act queue-pause", text: "Pause",
                    onclick: () => webui.queue.act(`./internal/queue/${webui.queue.state?.paused ? "resume" : "pause"}`)}),
                webui.make("button", {type: "button", class: "webui-close", text: "×", "aria-label": "Close the queue", onclick: () => webui.queue.toggle(false)})),
            webui.make("div", {class: "queue-body"}),
            webui.make("footer", {}, webui.make("button", {type: "button", class: "queue-act", id: "webui_notify", text: "Tell me when pictures are done", onclick: webui.notify.ask})));
        panel.addEventListener("keydown", (event) => {
            if (event.key === "Escape") {
                event.stopPropagation();
                webui.queue.toggle(false);
            }
        });
        // a button must not be exchanged between its press and its release
        panel.addEventListener("pointerdown", () => { webui.queue.pressed = true; });
        addEventListener("pointerup", () => setTimeout(() => { webui.queue.pressed = false; }, 0));
        document.body.append(panel);
    }
    webui.queue.last = "";
    webui.queue.refresh();
};

onUiLoaded(() => {
    const nav = webui.find("#tabs > .tab-nav");
    const button = webui.make("button", {id: "webui_queue_button", type: "button", text: "Queue", title: "Jobs that run, wait and have ended",
        "aria-expanded": "false", onclick: () => webui.queue.toggle(!webui.queue.open)});
    nav.append(webui.make("div", {id: "webui_corner"}, button));
    const look = async() => {
        if (!document.hidden) {
            await webui.queue.refresh();
        }
        setTimeout(look, webui.queueTick[webui.queue.open ? "open" : "closed"]);
    };
    look();
});
