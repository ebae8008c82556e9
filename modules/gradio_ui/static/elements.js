// Small pieces of the page that scripts build themselves.

// make("button", {class: "x", onclick: f, text: "Go", "aria-label": "..."}, child, ...) -> element.
webui.make = function(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name === "text") {
            element.textContent = value;
        } else if (name.startsWith("on")) {
            element.addEventListener(name.slice(2), value);
        } else if (value === true) {
            element.setAttribute(name, "");
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, value);
        }
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
};

// A JSON answer of the server, or an Error with its sentence.
webui.ask = async function(url, {method = "GET", body} = {}) {
    const headers = body === undefined ? {} : {"Content-Type": "application/json"};
    const answer = await fetch(url, {method, headers, body: body === undefined ? undefined : JSON.stringify(body)});
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) {
        const words = typeof found.detail === "string" ? found.detail : found.errors;
        throw new Error(words || `the server answered ${answer.status}`);
    }
    return found;
};

// Runs an action of a button; what goes wrong is said in the corner.
webui.attempt = async function(action) {
    try {
        return await action();
    } catch (error) {
        webui.toast(error.message || String(error), "error");
        return null;
    }
};

// The clipboard of browsers is there on https and on this machine only; elsewhere the old way, in the dialog that is open: outside of it nothing can be marked.
webui.toClipboard = async function(text) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        const before = document.activeElement;
        const area = webui.make("textarea", {style: "position: fixed; opacity: 0"});
        area.value = text;
        (Array.from(document.querySelectorAll("dialog[open]")).pop() || document.body).append(area);
        area.select();
        const done = document.execCommand("copy");
        area.remove();
        before?.focus({preventScroll: true});
        if (!done) {
            throw new Error("The browser lets this page copy nothing. Mark the text, and copy it by hand.");
        }
    }
};

// A dialog that closes on Esc, on its cross and on a click beside it. onclose is called once it is gone.
webui.showDialog = function({id, title, body, wide = false, onclose}) {
    document.getElementById(id)?.remove();
    const close = webui.make("button", {class: "webui-close", text: "×", "aria-label": "Close"});
    const dialog = webui.make("dialog", {id, class: wide ? "webui-dialog wide" : "webui-dialog", "aria-labelledby": `${id}_title`},
        webui.make("header", {}, webui.make("h2", {id: `${id}_title`, text: title}), close), body);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("mousedown", (event) => event.target === dialog && dialog.close());     // a click may begin in a field, where words are marked
    dialog.addEventListener("close", () => {
        dialog.remove();
        onclose?.();
    });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
};
