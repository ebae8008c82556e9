// Keys of the prompts: Ctrl+Up/Down changes how much a word weighs, Alt+Left/Right moves a part between its commas.

/* exported keyupEditAttention */

webui.isPrompt = (target) => target instanceof HTMLTextAreaElement && Boolean(target.closest("[id*=_prompt].block, .prompt"));

webui.BRACKETS = {"(": ")", "[": "]", "<": ">"};

// [start, end) of what lies between the innermost pair of `open` around `at`, or null.
webui.bracketed = function(text, at, open) {
    const close = webui.BRACKETS[open];
    const escaped = (index) => text[index - 1] === "\\" && text[index - 2] !== "\\";
    let depth = 0;
    let start = at - 1;
    for (; start >= 0; start -= 1) {
        if (text[start] === close && !escaped(start)) {
            depth += 1;
        } else if (text[start] === open && !escaped(start)) {
            if (depth === 0) {
                break;
            }
            depth -= 1;
        }
    }
    depth = 0;
    for (let end = at; start >= 0 && end < text.length; end += 1) {
        if (text[end] === open && !escaped(end)) {
            depth += 1;
        } else if (text[end] === close && !escaped(end)) {
            if (depth === 0) {
                return [start + 1, end];
            }
            depth -= 1;
        }
    }
    return null;
};

webui.wordDelimiters = function() {
    const spaces = {"Tab": "\t", "Carriage Return": "\r", "Line Feed": "\n"};
    const chosen = opts.keyedit_delimiters_whitespace || Object.keys(spaces);
    return (opts.keyedit_delimiters ?? ".,\\/!?%^*;:{}=`~() ") + chosen.map((name) => spaces[name] || "").join("");
};

// [start, end) of the word that touches `at`; an empty one where there is none.
webui.wordAround = function(text, at) {
    const delimiters = webui.wordDelimiters();
    let [start, end] = [at, at];
    while (start > 0 && !delimiters.includes(text[start - 1])) {
        start -= 1;
    }
    while (end < text.length && !delimiters.includes(text[end])) {
        end += 1;
    }
    return [start, end];
};

webui.roundWeight = (weight) => String(Number(weight.toFixed(4)));

// What the text becomes when the choice [start, end) weighs one step more (up) or less: {text, start, end}, or null.
webui.reweighted = function(text, start, end, up) {
    // right behind a tag, where a click on a card leaves the cursor, it is the tag that is meant
    const behind = start === end && text[start - 1] === ">" && !/[\p{L}\p{N}]/u.test(text[start] ?? "");
    const extra = webui.bracketed(text, behind ? start - 1 : start, "<");
    if (extra) {
        const inner = text.slice(...extra).match(/^([^:]+:[^:]*)(?::(-?\d*\.?\d+))?(.*)$/s);
        if (!inner) {
            return null;
        }
        const step = Number(opts.keyedit_precision_extra) || 0.05;
        const weight = webui.roundWeight(Number(inner[2] ?? 1) + (up ? step : -step));
        const now = `${inner[1]}:${weight}${inner[3]}`;
        const from = extra[0] + inner[1].length + 1;
        return {text: text.slice(0, extra[0]) + now + text.slice(extra[1]), start: from, end: from + weight.length};
    }
    let [from, to] = [start, end];
    if (from === to) {
        const around = webui.bracketed(text, from, "(");
        const square = around ? null : webui.bracketed(text, from, "[");
        [from, to] = around ? webui.withoutWeight(text, around) : square ? webui.editedPart(text, square, from) : webui.wordAround(text, from);
    }
    while (from < to && /\s/.test(text[from])) {
        from += 1;
    }
    while (to > from && /\s/.test(text[to - 1])) {
        to -= 1;
    }
    if (from === to) {
        return null;
    }
    const step = Number(opts.keyedit_precision_attention) || 0.1;
    const {before, after, weight} = webui.outerWeight(text, from, to, step);
    const next = webui.roundWeight(weight + (up ? step : -step));
    const [left, right] = next === "1" ? ["", ""] : ["(", `:${next})`];
    const head = text.slice(0, from - before) + left;
    return {text: head + text.slice(from, to) + right + text.slice(to + after), start: head.length, end: head.length + to - from};
};

// The inside of brackets without the ":1.2" at its end.
webui.withoutWeight = function(text, [start, end]) {
    const weight = text.slice(start, end).match(/:\s*-?\d*\.?\d+\s*$/);
    return [start, weight ? end - weight[0].length : end];
};

// [from:to:when] and [one|other]: what ":" and "|" separate between start and end, as [from, to). A single one where that is no such thing.
webui.editedParts = function(text, [start, end]) {
    const parts = [];
    let [from, depth] = [start, 0];
    for (let index = start; index <= end; index += 1) {
        const letter = text[index];
        depth += "([<".includes(letter) ? 1 : ")]>".includes(letter) ? -1 : 0;
        if (index === end || (depth === 0 && ":|".includes(letter))) {
            parts.push([from, index]);
            from = index + 1;
        }
    }
    return parts;
};

// The part at `at`; an empty one for the number that says when.
webui.editedPart = function(text, square, at) {
    const parts = webui.editedParts(text, square);
    const [from, to] = parts.find((part) => at <= part[1]);
    return parts.length > 1 && /^\s*-?[\d.]+\s*$/.test(text.slice(from, to)) ? [at, at] : [from, to];
};

// The weight that stands around [from, to), and how many letters say so before and after it. ((x)) and [x] count as A1111 counts them:
// to the nearest step, so that [x] weighs nothing special one step up, and not 1.0091.
webui.outerWeight = function(text, from, to, step) {
    const said = text.slice(to).match(/^:\s*(-?\d*\.?\d+)\s*\)/);
    if (text[from - 1] === "(" && said) {
        return {before: 1, after: said[0].length, weight: Number(said[1])};
    }
    for (const [open, factor] of [["(", 1.1], ["[", 1 / 1.1]]) {
        let depth = 0;
        while (text[from - 1 - depth] === open && text[to + depth] === webui.BRACKETS[open] && text[from - 2 - depth] !== "\\") {
            depth += 1;
        }
        if (depth > 0 && (open === "(" || webui.editedParts(text, [from, to]).length === 1)) {
            return {before: depth, after: depth, weight: Math.round(factor ** depth / step) * step};
        }
    }
    return {before: 0, after: 0, weight: 1};
};

// What the text becomes when the part between commas that holds the choice changes places with its neighbour: {text, start, end}, or null.
webui.movedPart = function(text, start, end, right) {
    const parts = [];
    let [from, depth] = [0, 0];
    for (let index = 0; index <= text.length; index += 1) {
        const letter = text[index];
        depth += letter === "(" || letter === "[" || letter === "<" ? 1 : letter === ")" || letter === "]" || letter === ">" ? -1 : 0;
        if (index === text.length || (letter === "," && depth <= 0)) {
            parts.push([from, index]);
            from = index + 1;
            depth = 0;
        }
    }
    const first = parts.findIndex(([, to]) => start <= to);
    const last = parts.findIndex(([, to]) => end <= to);
    const neighbour = right ? last + 1 : first - 1;
    if (first < 0 || last < 0 || neighbour < 0 || neighbour >= parts.length) {
        return null;
    }
    const moving = [parts[first][0], parts[last][1]];
    const [one, two] = right ? [moving, parts[neighbour]] : [parts[neighbour], moving];
    const trimmed = ([a, b]) => {
        const words = text.slice(a, b);
        return [words.match(/^\s*/)[0], words.trim(), words.trim() ? words.match(/\s*$/)[0] : ""];
    };
    const [head1, body1, tail1] = trimmed(one);
    const [head2, body2, tail2] = trimmed(two);
    const now = text.slice(0, one[0]) + head1 + body2 + tail1 + text.slice(one[1], two[0]) + head2 + body1 + tail2 + text.slice(two[1]);
    const at = right ? one[0] + head1.length + body2.length + tail1.length + (two[0] - one[1]) + head2.length : one[0] + head1.length;
    return {text: now, start: at, end: at + (right ? body1 : body2).length};
};

// What differs is typed in, by the browser's own command: a value that is set empties what Ctrl+Z can take back.
webui.editPrompt = function(field, change) {
    if (!change || change.text === field.value) {
        return;
    }
    const [before, after] = [field.value, change.text];
    const shorter = Math.min(before.length, after.length);
    let [head, tail] = [0, 0];
    while (head < shorter && before[head] === after[head]) {
        head += 1;
    }
    while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) {
        tail += 1;
    }
    field.focus();
    field.setSelectionRange(head, before.length - tail);
    const words = after.slice(head, after.length - tail);
    document.execCommand(words ? "insertText" : "delete", false, words);
    if (field.value !== after) {
        webui.setField(field, after);
    }
    field.setSelectionRange(change.start, change.end);
};

function keyupEditAttention(event) {
    if (!webui.isPrompt(event.target) || webui.composes(event)) {
        return;
    }
    const field = event.target;
    const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
    const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
    const place = [field.value, field.selectionStart, field.selectionEnd];
    if (vertical && (event.ctrlKey || event.metaKey) && !event.altKey) {
        event.preventDefault();
        webui.editPrompt(field, webui.reweighted(...place, event.key === "ArrowUp"));
    } else if (sideways && event.altKey && !event.ctrlKey && opts.keyedit_move !== false) {
        event.preventDefault();
        webui.editPrompt(field, webui.movedPart(...place, event.key === "ArrowRight"));
    }
}

document.addEventListener("keydown", keyupEditAttention);
