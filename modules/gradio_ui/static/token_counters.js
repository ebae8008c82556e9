// Asks the server for the number of tokens a little after the last change, typed or not: one press of a hidden button per pause.

/* exported update_txt2img_tokens, update_img2img_tokens, update_token_counter, setupTokenCounters */

webui.TOKEN_PAUSE = 500;  // ms without typing

function update_token_counter(buttonId) {
    const button = document.getElementById(buttonId);
    webui.checkBrackets(buttonId);
    if (button && opts.disable_token_counters !== true) {
        button.click();
    }
}

function update_txt2img_tokens() {
    update_token_counter("txt2img_token_button");
    update_token_counter("txt2img_negative_token_button");
    return Array.from(arguments);
}

function update_img2img_tokens() {
    update_token_counter("img2img_token_button");
    update_token_counter("img2img_negative_token_button");
    return Array.from(arguments);
}

webui.counted = {};        // by the hidden button: [prompt, counter]

// A bracket without its other half weighs nothing, or all that follows: the counter turns red and says which. A1111's built-in extension does so.
webui.checkBrackets = function(buttonId) {
    const [prompt, counter] = webui.counted[buttonId] || [];
    if (!counter) {
        return;
    }
    const found = prompt.value.match(/\\[^]|[()[\]{}]/g) || [];       // one behind a backslash is a letter like others
    const times = (bracket) => found.filter((each) => each === bracket).length;
    const wrong = ["()", "[]", "{}"].filter(([open, close]) => times(open) !== times(close));
    counter.classList.toggle("error", wrong.length > 0);
    counter.title = wrong.map(([open, close]) => `${times(open)} times ${open}, but ${times(close)} times ${close}`).join("\n");
};

webui.tokenPauses = {};

webui.countTokensSoon = function(...buttonIds) {
    for (const id of buttonIds) {
        clearTimeout(webui.tokenPauses[id]);
        webui.tokenPauses[id] = setTimeout(() => update_token_counter(id), webui.TOKEN_PAUSE);
    }
};

webui.countedTexts = {};

// A prompt, or the list of chosen styles, has been set by whatever means; what says so when the page opens changes nothing.
webui.countedTextChanged = function(text, ...buttonIds) {
    const now = String(text || "");
    const key = buttonIds.join();
    if ((webui.countedTexts[key] || "") !== now) {
        webui.countedTexts[key] = now;
        webui.countTokensSoon(...buttonIds);
    }
};

webui.watchTokens = function(promptId, counterId, buttonId) {
    const prompt = document.getElementById(promptId);
    const counter = document.getElementById(counterId);
    if (!prompt || !counter) {
        return;
    }
    prompt.append(counter);
    const field = prompt.querySelector("textarea");
    webui.counted[buttonId] = [field, counter];
    field.addEventListener("input", () => webui.countTokensSoon(buttonId));
};

function setupTokenCounters() {
    for (const tab of ["txt2img", "img2img"]) {
        webui.watchTokens(`${tab}_prompt`, `${tab}_token_counter`, `${tab}_token_button`);
        webui.watchTokens(`${tab}_neg_prompt`, `${tab}_negative_token_counter`, `${tab}_negative_token_button`);
    }
    webui.watchTokens("hires_prompt", "hires_token_counter", "hires_token_button");
    webui.watchTokens("hires_neg_prompt", "hires_negative_token_counter", "hires_negative_token_button");
}

// Setting disable_token_counters: they go at once, and are right when they come back.
webui.showTokenCounters = function() {
    const hidden = opts.disable_token_counters === true;
    const wereHidden = document.body.classList.contains("no-token-counters");
    document.body.classList.toggle("no-token-counters", hidden);
    if (wereHidden && !hidden) {
        update_txt2img_tokens();
        update_img2img_tokens();
    }
};

onUiLoaded(setupTokenCounters);
onUiLoaded(webui.showTokenCounters);
onOptionsChanged(webui.showTokenCounters);
