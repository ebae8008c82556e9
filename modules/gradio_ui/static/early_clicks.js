// Clicks that come too early wait until they can be done: on any button before the page is ready, which with many extensions or a slow line takes seconds;
// on Generate also while fields of its tab are on their way (a reloaded page's, a pasted text's, a sent picture), else others would be sent than the user sees a moment later;
// on all buttons while what they read is (under_way.js).

webui.earlyClicks = [];     // the buttons, in order
webui.fills = {};           // by tab: {what, until} of what is on its way to its fields
webui.fillPatience = {fields: 5000, setting: 10000, picture: 60000};  // ms; then what stands there is sent

webui.isEarly = (tab) => !webui.ready || (webui.fills[tab] || []).some((fill) => fill.until > performance.now());

webui.isGenerate = (button) => button.matches(".generate-box > button[id$='_generate']");

// What opens by Gradio alone, or at once; a file chooser opens for the user's own click only.
webui.worksEarly = (button) => button.matches(".label-wrap, [role=tab], [aria-controls], dialog *") || button.querySelector("input[type=file]") !== null;

// since: when it was clicked.
webui.mustWait = function(button, since = performance.now()) {
    const tab = button.closest("#tabs > [id^=tab_]")?.id.replace("tab_", "");
    const place = webui.earlyClicks.indexOf(button);
    const earlier = webui.earlyClicks.slice(0, place < 0 ? undefined : place);
    return !webui.ready || ((webui.isGenerate(button) || place >= 0) && webui.isEarly(tab)) || webui.awaitsAnswer(button, since, earlier);
};

webui.keepForLater = function(button) {
    if (!webui.isGenerate(button) || !webui.earlyClicks.includes(button)) {  // impatient, and yet one job
        button.clickedAt = performance.now();
        webui.earlyClicks.push(button);
        button.classList.add("waits");
    }
    return true;
};

webui.releaseEarly = function() {
    const due = webui.earlyClicks.filter((button) => !webui.mustWait(button, button.clickedAt));
    webui.earlyClicks = webui.earlyClicks.filter((button) => !due.includes(button));
    for (const button of due) {
        button.classList.remove("waits");
        button.click();
    }
    if (due.length > 0) {
        setTimeout(webui.releaseEarly, 50);     // those that waited for these
    }
};

webui.fillBegins = function(tab, what = "fields") {
    (webui.fills[tab] ||= []).push({what, until: performance.now() + webui.fillPatience[what]});
    setTimeout(webui.releaseEarly, webui.fillPatience[what] + 50);
};

// Gradio takes over what it was given after this call.
webui.fillEnded = function(tab, what = "fields") {
    setTimeout(() => {
        const fills = webui.fills[tab] || [];
        const ended = fills.find((fill) => fill.what === what);
        webui.fills[tab] = fills.filter((fill) => fill !== ended);
        webui.releaseEarly();
    }, 50);
};

document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (!button) {
        return;
    }
    const mayWait = webui.isGenerate(button) || (event.isTrusted && (webui.ready || !webui.worksEarly(button)));
    if (mayWait && webui.mustWait(button)) {
        event.preventDefault();
        event.stopImmediatePropagation();
        webui.keepForLater(button);
    } else if (webui.ready) {
        webui.clickGoes(button);
    }
}, true);

// A click on Generate that Gradio passes over, for it still waits until it opens the page anew, or that the server refuses because the page is older than its own: the next
// page makes it once more, with the fields that come back. `unsent`: the tab of one that did not go out yet; `byClick`: the job of the last one that did.
webui.unsent = webui.byClick = null;
webui.clickPatience = 10000;    // ms from the click to the next page; after that it is nobody's wish any more

webui.clickAgain = function(tab) {
    webui.unsent = tab;
    webui.remember("click_again", JSON.stringify({tab, at: performance.timeOrigin + performance.now()}), "sessionStorage");
};

webui.clickForgotten = function() {
    webui.unsent = null;
    webui.remember("click_again", "", "sessionStorage");
};

webui.clickWent = function(tab, id) {
    webui.byClick = webui.unsent === tab ? id : null;
    webui.clickForgotten();
};

webui.clickIsTold = function() {
    webui.clickForgotten();
    webui.toast("The server does not answer, so nothing was sent. What you typed stays: click again when it is back.", "error");
};

// request: the body of what was refused. The picture of Extras does not come back, so that its click is told as one that was lost.
webui.clickRefused = function(request) {
    const jobs = ["txt2img", "img2img"].map((tab) => webui.jobs[tab]).find((each) => each?.ids.includes(webui.byClick));
    if (jobs && !jobs.accepted.has(webui.byClick) && String(request).includes(webui.byClick)) {
        jobs.drop(webui.byClick);
        webui.clickAgain(jobs.tab);
    }
};

webui.takeUpClick = function() {
    const {tab, at} = JSON.parse(webui.recall("click_again", "sessionStorage") || "{}");
    webui.clickForgotten();
    const button = document.getElementById(`${tab}_generate`);
    if (button && tab !== "extras" && Math.abs(performance.timeOrigin - at) < webui.clickPatience) {
        webui.keepForLater(button);
    }
};

onUiLoaded(() => {
    webui.takeUpClick();
    setTimeout(webui.releaseEarly, 50);
});
