// The page's side of server-owned jobs. A click sends the request under an id that the page chose; from then on the page
// only watches: it polls progress, and fetches the result by that id. A reload takes the ids up again where they were.

/* exported submit, submit_img2img, submit_txt2img_upscale, submit_extras, restoreProgressExtras, create_submit_args, showSubmitButtons, showSubmitInterruptingPlaceholder,
   showRestoreProgressButton, restoreProgressTxt2img, restoreProgressImg2img */

// Gradio hands over the values of the inputs, and may add those of the outputs; only the inputs are wanted.
function create_submit_args(args) {
    return Array.from(args);
}

function showSubmitButtons(tab, idle) {
    const box = webui.find(`#${tab}_generate_box`);
    box.classList.toggle("running", !idle);
    box.classList.remove("interrupting");
    for (const name of ["interrupt", "skip"]) {
        webui.find(`#${tab}_${name}`).style.display = idle ? "none" : "block";
    }
    webui.find(`#${tab}_interrupting`).style.display = "none";
}

function showSubmitInterruptingPlaceholder(tab) {
    webui.find(`#${tab}_generate_box`).classList.add("interrupting");
    webui.find(`#${tab}_interrupt`).style.display = "none";
    webui.find(`#${tab}_interrupting`).style.display = "block";
}

function showRestoreProgressButton(tab, show) {
    const button = webui.find(`#${tab}_restore_progress`);
    if (button) {
        button.style.display = show ? "" : "none";
    }
}

// How long the server may take to answer a click before the page looks whether it is there at all, before it asks for the job itself, and how long it then asks, in ms.
webui.lookPatience = 1000;
webui.answerPatience = 6000;
webui.askPatience = 10000;

webui.TabJobs = class {
    // tab: "txt2img" or "img2img". `ids`: jobs sent and not yet shown, oldest first; the first one is watched.
    // `first`: the oldest one when the buttons were last set.
    // `own`: something was asked for here; what other windows ask for is then shown in them alone.
    // `sentHere`: those of `ids` that a click or a key of this window has sent. `aim`: the job that the next press of Interrupt means.
    // `isShowing`: a result is coming into the page; the next job is watched after that. `shown`: those that this page is done with. `accepted`: those that the server has taken. `asked`: those that it has not spoken of, and that are asked for all the same.
    constructor(tab) {
        this.tab = tab;
        this.ids = [];
        this.first = undefined;
        this.own = false;
        this.accepted = new Set();
        this.asked = new Set();
        this.sentHere = new Set();
        this.aim = null;
        this.shown = new Set();
        this.view = null;
        this.complaints = [];
        this.watching = null;
        this.isShowing = false;
        this.screen = new webui.ScreenLock();
    }

    get storageKey() {
        return `${this.tab}_task_ids`;
    }

    remember() {
        const listed = JSON.stringify(this.ids.map((id) => ({id, accepted: this.accepted.has(id), sentHere: this.sentHere.has(id)})));
        webui.remember(this.storageKey, listed);
        webui.remember(this.storageKey, this.own ? listed : "", "sessionStorage");
        webui.remember(`${this.tab}_task_id`, this.ids[0] || "");  // where A1111's extensions look
        const isInterrupting = this.ids.length > 0 && this.ids[0] === this.first && webui.find(`#${this.tab}_generate_box`).classList.contains("interrupting");
        showSubmitButtons(this.tab, this.ids.length === 0);
        if (isInterrupting) {
            showSubmitInterruptingPlaceholder(this.tab);
        }
        this.first = this.ids[0];
        webui.find(`#${this.tab}_generate`).dataset.waiting = String(Math.max(0, this.ids.length - 1));
        this.screen.hold(this.ids.length > 0);
    }

    // An error stays until it is closed, or until the next click on Generate, which shows that it was read.
    complain(words) {
        this.complaints.push(webui.toast(words, "error"));
    }

    // A click is on its way to the server.
    sent(id) {
        this.complaints.splice(0).forEach((toast) => toast.remove());
        this.own = true;
        this.sentHere.add(id);
        this.ids.push(id);
        this.remember();
        this.openView();
        setTimeout(() => this.accepted.has(id) || fetch("./internal/ping").catch(() => this.askUnanswered(id)), webui.lookPatience);
        setTimeout(() => this.askUnanswered(id), webui.answerPatience);
    }

    // Gradio says nothing when a click does not get through: ask for the job, which the server may know all the same.
    askUnanswered(id) {
        if (this.ids.includes(id) && !this.accepted.has(id)) {
            this.asked.add(id);
            this.watchNext();
        }
    }

    // The server's word on a click: {id, error}.
    answered(answer) {
        if (answer.error) {
            this.complain(answer.error);
            webui.callAll(webui.refusedCallbacks, this.tab);
            this.drop(answer.id);
            return;
        }
        this.accepted.add(answer.id);
        this.remember();
        if (this.aim === answer.id) {
            this.interrupt(answer.id);
        }
        this.watchNext();
    }

    // Presses Interrupt for one job, whichever is the first when Gradio looks; as soon as the server has it, for before that nothing would be stopped.
    interrupt(id) {
        this.aim = id;
        if (this.accepted.has(id)) {
            webui.find(`#${this.tab}_interrupt`).click();
        }
    }

    drop(id) {
        this.ids = this.ids.filter((each) => each !== id);
        this.shown.add(id);
        this.accepted.delete(id);
        this.asked.delete(id);
        this.sentHere.delete(id);
        this.aim = this.aim === id ? null : this.aim;
        this.remember();
        if (this.ids.length === 0) {
            this.closeView();
        }
    }

    openView() {
        if (!this.view) {
            this.view = new webui.ProgressView(webui.find(`#${this.tab}_gallery_container`), webui.find(`#${this.tab}_gallery_container`));
            this.view.show({progress: 0});
        }
    }

    closeView() {
        if (this.view) {
            this.view.remove();
            this.view = null;
        }
    }

    watchNext() {
        const id = this.ids[0];
        if (this.watching || this.isShowing || !id || !(this.accepted.has(id) || this.asked.has(id))) {
            return;
        }
        this.watching = id;
        this.openView();
        const patience = this.accepted.has(id) ? 1000 : webui.askPatience;
        webui.followProgress(id, this.view, {atEnd: () => this.collect(), inactivityTimeout: patience / 1000});
    }

    // Asks for the result of the watched job until it comes; the answer comes to `collected`.
    collect() {
        const id = this.watching;
        this.view.finish();
        webui.find(`#${this.tab}_restore_progress`).click();
        setTimeout(() => {
            if (this.watching === id) {
                this.collect();
            }
        }, webui.answerPatience);
    }

    async collected(answer) {
        const id = this.watching;
        if (!id || answer.id !== id) {
            return;  // a second answer to the same question
        }
        this.watching = null;
        this.isShowing = true;
        if (answer.error && answer.state === "interrupted") {
            webui.toast(answer.error);
        } else if (answer.error) {
            this.complain(answer.error);
        } else if (answer.gone && !this.accepted.has(id)) {
            this.complain("The request did not reach the server. Generate again.");
        }
        (answer.comments || []).forEach((words) => webui.toast(words, "warning"));
        try {
            webui.showResult(this.tab);
            await webui.galleryLoaded(this.tab);
        } finally {
            this.isShowing = false;
        }
        if (!answer.error && !answer.gone) {
            webui.renewNotices();
            webui.takeFreshSettings();      // a script may have chosen another checkpoint
            webui.notify.done(this.tab);
        }
        this.closeView();
        this.drop(id);
        this.watchNext();
    }

    // Follows a job that something else than a click has found: one put in line again, or (first) one that is over and to be shown now.
    takeUp(id, first = false) {
        if (this.ids.includes(id)) {
            return;
        }
        if (first && this.watching) {
            webui.toast("The tab shows a running job. Its result comes first.");
            return;
        }
        this.accepted.add(id);
        this.ids = first ? [id, ...this.ids] : [...this.ids, id];
        this.remember();
        this.watchNext();
    }

    // Takes up what this window has asked for before a reload; where there is none, what an earlier page, or another device, has asked for.
    // serverJobs: [{id, tab}], those not finished.
    restore(serverJobs) {
        const here = this.stored("sessionStorage");
        this.own = here.length > 0;
        const unfinished = serverJobs.filter((job) => job.tab === this.tab && (!this.own || here.some((each) => each.id === job.id))).map((job) => job.id);
        const mine = (this.own ? here : this.stored()).filter((job) => !unfinished.includes(job.id)).slice(-1);
        this.ids = mine.map((job) => job.id).concat(unfinished);
        unfinished.forEach((id) => this.accepted.add(id));
        here.filter((job) => job.sentHere).forEach((job) => this.sentHere.add(job.id));
        mine.forEach((job) => (job.accepted ? this.accepted : this.asked).add(job.id));
        this.remember();
        this.watchNext();
    }

    stored(place) {
        try {
            return JSON.parse(webui.recall(this.storageKey, place)) || [];
        } catch {
            return [];
        }
    }
};

webui.jobs = {};

webui.refusedCallbacks = [];  // called with the tab when the server refuses a click

// elem_id -> a function that gives the value of a field that only the scripts know, when Generate is clicked; it may take a while.
webui.fillers = {};

// The values of a click with the scripts' own put in: all are asked at once, so that an upload takes its time and the tabs still are those of the click.
// places: elem_id -> index, or several.
webui.filled = async function(values, places) {
    const asked = Object.entries(places).filter(([id]) => webui.fillers[id]).map(([id, place]) => [id, [place].flat()]);
    webui.beingFilled += 1;
    const given = await Promise.all(asked.map(([id, [index]]) => webui.fillers[id](values[index]))).finally(() => { webui.beingFilled -= 1; });
    asked.forEach(([, indexes], number) => indexes.forEach((index) => { values[index] = given[number]; }));
    return values;
};

webui.beingFilled = 0;      // clicks whose pictures are still going to the server

webui.sentCount = 0;

webui.sendJob = function(tab, args) {
    const values = create_submit_args(args);
    values[0] = randomId();
    performance.mark("webui-sent");
    webui.jobs[tab].sent(values[0]);
    webui.clickWent(tab, values[0]);
    webui.lastSent = values;
    webui.sentCount += 1;
    return values;
};

// Called after the server has answered a click. The id is the page's, the answer {id, error} is the server's;
// an answer to another id means that this click never arrived.
webui.jobAnswered = function(tab, answerText) {
    const jobs = webui.jobs[tab];
    const answer = answerText ? JSON.parse(answerText) : {};
    if (!jobs.ids.includes(answer.id)) {
        const lost = jobs.ids.filter((id) => !jobs.accepted.has(id))[0];
        jobs.answered({id: lost, error: "The server did not take the request. Is it still running?"});
        return;
    }
    jobs.answered(answer);
};

webui.jobCollected = function(tab, answerText) {
    webui.jobs[tab].collected(answerText ? JSON.parse(answerText) : {});
};

webui.watchedJob = (tab) => webui.jobs[tab].watching || webui.jobs[tab].ids[0] || "";

// The first press may only ask to stop after the picture at work (interrupt_after_current); the button that then stands there stops at once.
webui.interruptJob = function(tab) {
    const jobs = webui.jobs[tab];
    const id = jobs.aim || webui.watchedJob(tab);
    const isThere = !jobs.ids.includes(id) || jobs.accepted.has(id) || jobs.asked.has(id);
    jobs.aim = isThere ? null : id;         // else it is pressed once more when the server has the job
    if (jobs.ids[0] === id) {               // it may have ended meanwhile
        showSubmitInterruptingPlaceholder(tab);
    }
    return [isThere ? id : "not there yet"];
};

webui.interruptAnswered = function(words) {
    if (words) {
        webui.toast(words);
    }
};

// Calls what stands under a name that extensions replace; the first ``count`` of its values, perhaps a promise of them. Theirs may be async; where it
// fails Generate works all the same: with what ours gave it, or ours is called now.
webui.callReplaced = function(name, values, count) {
    const ours = webui.replaced[name], theirs = window[name];
    const first = function(given) {
        if (!given[0]) {
            throw new Error("it named no job");
        }
        return Array.prototype.slice.call(given, 0, count);
    };
    const goOn = (error) => {
        if (theirs === ours) {
            throw error;
        }
        console.error(`${name}, as an extension has replaced it:`, error);
        webui.toast(`An extension has replaced ${name}, and what it put there failed: ${error?.message || error}. It was passed over.`, "warning");
        return first(webui.lastSent || ours(...values));
    };
    webui.lastSent = null;
    try {
        const given = theirs(...values);
        return given?.then ? given.then(first).catch(goOn) : first(given);
    } catch (error) {
        return goOn(error);
    }
};

function submit() {
    return webui.sendJob("txt2img", arguments);
}

function submit_img2img() {
    return webui.sendJob("img2img", arguments);
}

// Values: id, overrides, shown job, index of the chosen picture, then the fields.
function submit_txt2img_upscale() {
    const values = webui.sendJob("txt2img", arguments);
    values[3] = String(webui.galleryIndex("txt2img"));
    return values;
}

function submit_extras() {
    return webui.sendJob("extras", arguments);
}

function restoreProgressExtras() {
    return [webui.watchedJob("extras")];
}

function restoreProgressTxt2img() {
    return [webui.watchedJob("txt2img")];
}

function restoreProgressImg2img() {
    return [webui.watchedJob("img2img")];
}

webui.replaced = {submit, submit_img2img, submit_txt2img_upscale, submit_extras, restoreProgressTxt2img, restoreProgressImg2img, restoreProgressExtras};

// Where the time of a click begins that tests/bench/page.py measures. Gradio passes over clicks once it knows that its server is away, until it opens the page anew.
webui.generateClicked = function(event) {
    if (event.target.closest?.(".generate-box > button[id$='_generate']")) {
        performance.mark("webui-click", {startTime: event.timeStamp});
        const before = webui.sentCount;
        webui.clickAgain(event.target.closest("button").id.replace("_generate", ""));
        const away = () => webui.sentCount === before && webui.clickIsTold();
        setTimeout(() => webui.sentCount > before || fetch("./internal/ping").catch(away), webui.lookPatience);
    }
};

onUiLoaded(() => {
    document.addEventListener("click", webui.generateClicked, true);
    webui.plainTitle = document.title || webui.plainTitle;
    for (const tab of ["txt2img", "img2img", "extras"].filter((name) => document.getElementById(`${name}_generate_box`))) {
        webui.jobs[tab] = new webui.TabJobs(tab);
        webui.jobs[tab].restore(webui.boot.jobs || []);
    }
});
