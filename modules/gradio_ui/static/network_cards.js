// What a click on a card does: its text goes into the prompt, a second click takes it out again; a checkpoint's card loads it.

/* exported cardClicked, selectCheckpoint, extraNetworksCopyCardPath, updatePromptArea, tryToRemoveExtraNetworkFromPrompt */

// The prompt box of each tab that was used last.
const activePromptTextarea = {};

webui.escapeRegExp = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// "<lora:name:0.8> words" -> what to look for: the tag with any weights, the words after it. Null for text without a tag.
webui.networkTag = function(text) {
    const found = text.match(/^<([^:>]+:[^:>]+)(?::[^>]*)?>([\s\S]*)$/);
    return found && {tag: new RegExp(`<${webui.escapeRegExp(found[1])}(?::[^>]*)?>`, "g"), words: found[2]};
};

// ``value`` without the piece from ``from`` to ``to``, and without the separator that was put before it.
webui.withoutPiece = function(value, from, to) {
    const separator = opts.extra_networks_add_text_separator ?? " ";
    const before = value.slice(0, from);
    const after = value.slice(to);
    if (separator && before.endsWith(separator)) {
        return before.slice(0, -separator.length) + after;
    }
    return !before && separator && after.startsWith(separator) ? after.slice(separator.length) : before + after;
};

// The prompt without the card's text, or null when it is not in there. A tag is found whatever weights it bears.
webui.withoutNetwork = function(value, text) {
    const wanted = webui.networkTag(text);
    if (!wanted) {
        const [from, to] = webui.placeOfWords(value, text.trim());
        return to > from ? webui.withoutPiece(value, from, to) : null;
    }
    let result = null;
    for (const found of Array.from(value.matchAll(wanted.tag)).reverse()) {
        const end = found.index + found[0].length;
        const withWords = wanted.words && (result ?? value).startsWith(wanted.words, end);
        result = webui.withoutPiece(result ?? value, found.index, end + (withWords ? wanted.words.length : 0));
    }
    return result;
};

// [from, to) of where ``words`` stand on their own: "cat" is not in "category". "(bad hands:1)" is found with any weight, and without one.
webui.placeOfWords = function(value, words) {
    const weighed = words.match(/^\((.+):[\d.]+\)$/s)?.[1];
    const wanted = weighed ? `\\(${webui.escapeRegExp(weighed)}:[\\d.]+\\)|${webui.escapeRegExp(weighed)}` : webui.escapeRegExp(words);
    const found = words && value.match(new RegExp(`(^|[^\\p{L}\\p{N}_-])(${wanted})(?![\\p{L}\\p{N}_-])`, "u"));
    return found ? [found.index + found[1].length, found.index + found[0].length] : [0, 0];
};

function tryToRemoveExtraNetworkFromPrompt(textarea, text) {
    const value = webui.withoutNetwork(textarea.value, text);
    if (value === null) {
        return false;
    }
    webui.setField(textarea, value);
    return true;
}

// A1111's function, in its order.
function updatePromptArea(text, textarea) {
    if (!textarea || tryToRemoveExtraNetworkFromPrompt(textarea, text)) {
        return;
    }
    const separator = textarea.value ? opts.extra_networks_add_text_separator ?? " " : "";
    webui.setField(textarea, textarea.value + separator + text);
}

// A1111's function: the texts go into the prompt, and into the negative one; ``allowNegative``: into the box used last.
function cardClicked(tab, text, negativeText, allowNegative) {
    const prompt = webui.find(`#${tab}_prompt textarea`);
    const negative = webui.find(`#${tab}_neg_prompt textarea`);
    if (negativeText) {
        const present = webui.withoutNetwork(prompt.value, text) !== null;
        updatePromptArea(text, prompt);
        if ((webui.withoutNetwork(negative.value, negativeText) !== null) === present) {
            updatePromptArea(negativeText, negative);
        }
    } else {
        updatePromptArea(text, allowNegative && activePromptTextarea[tab] === negative ? negative : prompt);
    }
}

// Chooses a checkpoint by its title, as the dropdown on top does.
function selectCheckpoint(title) {
    webui.wantedCheckpoint = title;
    webui.find("#change_checkpoint").click();
}

webui.takeWantedCheckpoint = function() {
    const title = webui.wantedCheckpoint;
    webui.toast(`Checkpoint chosen: ${title}`);
    return title;
};

function extraNetworksCopyCardPath(event, path) {
    webui.copyText(path ?? event.target.dataset.clipboardText);
    event.stopPropagation();
}

webui.copyText = (text) => webui.attempt(async() => {
    await webui.toClipboard(text);
    webui.toast(`Copied: ${text.length > 80 ? `${text.slice(0, 80)}...` : text}`);
});

webui.networks.cardPressed = function(card) {
    const tab = card.closest("[id$=_extra_tabs]").id.replace(/_extra_tabs$/, "");
    const {loads, prompt, negative, allowNegative} = card.dataset;
    if (loads) {
        selectCheckpoint(loads);
    } else if (prompt || negative) {
        cardClicked(tab, prompt, negative, Boolean(allowNegative));
    }
};

webui.networks.buttonPressed = function(event, button) {
    const card = button.closest(".card, .tree-file");
    const tab = card.closest("[id$=_extra_tabs]").id.replace(/_extra_tabs$/, "");
    const page = card.closest(".extra-network-pane").dataset.page;
    if (button.classList.contains("copy-path-button")) {
        extraNetworksCopyCardPath(event, button.dataset.clipboardText);
    } else if (button.classList.contains("metadata-button")) {
        webui.networks.showMetadata(page, card.dataset.inside);
    } else if (button.classList.contains("edit-button")) {
        webui.networks.edit(tab, page, card.dataset.inside);
    }
};

document.addEventListener("click", (event) => {
    const card = event.target.closest && event.target.closest(".extra-network-cards .card, .tree-file");
    if (!card || event.defaultPrevented || event.target.closest("a")) {
        return;
    }
    const button = event.target.closest(".card-button");
    if (button) {
        webui.networks.buttonPressed(event, button);
    } else {
        webui.networks.cardPressed(card);
    }
});

// A preview that cannot be shown leaves the plain background.
document.addEventListener("error", (event) => {
    if (event.target.matches && event.target.matches(".extra-network-cards img.preview")) {
        const plain = document.createElement("span");
        plain.className = "preview no-preview";
        event.target.replaceWith(plain);
    }
}, true);

document.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target.matches && event.target.matches(".extra-network-cards .card, .tree-file")) {
        webui.networks.cardPressed(event.target);
        event.preventDefault();
    }
});

onUiLoaded(() => {
    for (const tab of ["txt2img", "img2img"]) {
        for (const name of ["prompt", "neg_prompt"]) {
            const area = webui.find(`#${tab}_${name} textarea`);
            if (area) {
                activePromptTextarea[tab] = activePromptTextarea[tab] || area;
                area.addEventListener("focus", () => { activePromptTextarea[tab] = area; });
            }
        }
    }
});
