// Completion below the prompts: tags by their beginning or an alias, <embeddings and <lora:, styles after "style:", __wildcards__.

const tagAutocomplete = {words: null, box: null, area: null, chosen: 0, found: []};

tagAutocomplete.load = async function() {
    if (!tagAutocomplete.words) {
        tagAutocomplete.words = {tags: [], embeddings: [], loras: [], styles: [], wildcards: []};
        try {
            const answer = await fetch("tag-autocomplete/words");
            tagAutocomplete.words = answer.ok ? await answer.json() : tagAutocomplete.words;
        } catch (error) {
            console.warn("tags could not be fetched", error);
        }
    }
    return tagAutocomplete.words;
};

// The word that the caret stands behind: {start, text}.
tagAutocomplete.wordAt = function(area) {
    const before = area.value.slice(0, area.selectionStart);
    const start = Math.max(...[",", "\n", "(", "[", "|", ">"].map((mark) => before.lastIndexOf(mark))) + 1;
    const text = before.slice(start);
    const blanks = text.length - text.trimStart().length;
    return {start: start + blanks, text: text.trimStart()};
};

// Entries {shown, inserted, count, kind} for a word, best first.
tagAutocomplete.entriesFor = function(text, words) {
    const wanted = text.toLowerCase();
    const named = (list, prefix, kind, wrap) => list.filter((name) => name.toLowerCase().includes(wanted.slice(prefix))).map((name) => ({shown: name, inserted: wrap(name), count: "", kind}));
    if (wanted.startsWith("__")) {
        return named(words.wildcards, 2, "wildcard", (name) => `__${name}__`);
    }
    if (wanted.startsWith("<lora:") || wanted.startsWith("<l:")) {
        return named(words.loras, wanted.indexOf(":") + 1, "lora", (name) => `<lora:${name}:${opts.extra_networks_default_multiplier ?? 1}>`);
    }
    if (wanted.startsWith("<")) {
        return named(words.embeddings, wanted.startsWith("<e:") ? 3 : 1, "embedding", (name) => name);
    }
    const spoken = wanted.replaceAll("_", " ");
    const fits = (name) => name.toLowerCase().replaceAll("_", " ").startsWith(spoken);
    return words.tags.filter(([tag, , , aliases]) => fits(tag) || aliases.some(fits)).sort((one, other) => other[2] - one[2]).map(([tag, kind, count, aliases]) => {
        const alias = fits(tag) ? "" : aliases.find(fits);
        const inserted = tag.replaceAll("_", " ").replace(/[()]/g, "\\$&");
        return {shown: alias ? `${alias} → ${tag}` : tag, inserted, count: count || "", kind: `tag-${kind}`};
    });
};

tagAutocomplete.close = function() {
    tagAutocomplete.box?.remove();
    tagAutocomplete.box = null;
};

tagAutocomplete.show = function(area, entries) {
    tagAutocomplete.close();
    tagAutocomplete.found = entries.slice(0, opts.tag_autocomplete_results || 8);
    if (!tagAutocomplete.found.length) {
        return;
    }
    tagAutocomplete.area = area;
    tagAutocomplete.chosen = 0;
    tagAutocomplete.box = document.createElement("ul");
    tagAutocomplete.box.className = "tag-autocomplete";
    tagAutocomplete.box.setAttribute("role", "listbox");
    tagAutocomplete.found.forEach((entry, index) => {
        const item = document.createElement("li");
        item.setAttribute("role", "option");
        item.className = entry.kind;
        const name = document.createElement("span");
        name.textContent = entry.shown;
        const count = document.createElement("small");
        count.textContent = entry.count.toLocaleString?.() ?? "";
        item.append(name, count);
        item.addEventListener("mousedown", (event) => {
            event.preventDefault();
            tagAutocomplete.insert(index);
        });
        tagAutocomplete.box.append(item);
    });
    area.insertAdjacentElement("afterend", tagAutocomplete.box);
    tagAutocomplete.mark(0);
};

tagAutocomplete.mark = function(index) {
    const items = tagAutocomplete.box.children;
    tagAutocomplete.chosen = (index + items.length) % items.length;
    for (const [at, item] of Array.from(items).entries()) {
        item.setAttribute("aria-selected", String(at === tagAutocomplete.chosen));
    }
    items[tagAutocomplete.chosen].scrollIntoView({block: "nearest"});
};

tagAutocomplete.insert = function(index) {
    const area = tagAutocomplete.area;
    const entry = tagAutocomplete.found[index];
    const {start} = tagAutocomplete.wordAt(area);
    const after = area.value.slice(area.selectionStart);
    const comma = opts.tag_autocomplete_comma && entry.kind.startsWith("tag") && !after.trimStart().startsWith(",") ? ", " : "";
    const before = area.value.slice(0, start) + entry.inserted + comma;
    tagAutocomplete.close();
    tagAutocomplete.quiet = true;
    webui.editPrompt(area, {text: before + after, start: before.length, end: before.length});
    tagAutocomplete.quiet = false;
};

tagAutocomplete.typed = async function(event) {
    const area = event.target;
    if (tagAutocomplete.quiet || !event.isTrusted || !opts.tag_autocomplete_enabled) {
        return;
    }
    const words = await tagAutocomplete.load();
    const {text} = tagAutocomplete.wordAt(area);
    tagAutocomplete.show(area, document.activeElement === area && text.length >= 2 ? tagAutocomplete.entriesFor(text, words) : []);
};

tagAutocomplete.pressed = function(event) {
    if (!tagAutocomplete.box || event.ctrlKey || event.altKey || event.metaKey || webui.composes(event)) {
        return;
    }
    const acts = {
        ArrowDown: () => tagAutocomplete.mark(tagAutocomplete.chosen + 1),
        ArrowUp: () => tagAutocomplete.mark(tagAutocomplete.chosen - 1),
        Enter: () => tagAutocomplete.insert(tagAutocomplete.chosen),
        Tab: () => tagAutocomplete.insert(tagAutocomplete.chosen),
        Escape: tagAutocomplete.close,
    };
    if (acts[event.key] && !event.shiftKey) {
        event.preventDefault();
        event.stopPropagation();
        acts[event.key]();
    }
};

onUiLoaded(() => {
    for (const area of gradioApp().querySelectorAll("[id$=_prompt] > label > textarea")) {
        area.addEventListener("input", tagAutocomplete.typed);
        area.addEventListener("keydown", tagAutocomplete.pressed);
        area.addEventListener("blur", () => setTimeout(tagAutocomplete.close, 150));
    }
});
