// A place for a picture as extensions know it: A1111's image component, whose value they change and listen to. Its hidden field stands for it.

webui.givenTurns = {};      // by place: which arrival an extension's picture was
webui.takenTurns = {};      // by place: which of the field's texts is there already

webui.canvasField = (id) => document.querySelector(`#${id}_content textarea`);

// Text that a function of the server, or an extension's script, left in the field: {"put": address}, with null for no picture.
webui.canvasGiven = function(id, text) {
    const canvas = webui.canvases[id];
    const given = text?.startsWith("{") ? JSON.parse(text) : {};
    if (!canvas || !("put" in given) || webui.takenTurns[id] === given.turn) {
        return;
    }
    webui.takenTurns[id] = given.turn;
    webui.givenTurns[id] = canvas.arrivals + 1;
    if (given.put) {
        canvas.putOrTell(webui.fetchPicture(given.put));
    } else {
        canvas.remove();
    }
};

// The user put a picture there or took it away: those who listen to the field hear it, as change, and as upload (focus) or clear (blur).
webui.tellOfCanvas = function(canvas) {
    const field = webui.canvasField(canvas.id);
    if (!field || webui.givenTurns[canvas.id] === canvas.arrivals) {
        return;
    }
    field.value = JSON.stringify({shown: canvas.picture ? canvas.arrivals : null});
    field.dispatchEvent(new Event("input", {bubbles: true}));
    field.dispatchEvent(new FocusEvent(canvas.picture ? "focus" : "blur"));
};

// What an extension's script gives such a place to show: a data URL, an address, a file in Gradio's words, a gallery's entry.
webui.putText = function(value) {
    const address = value?.url || value?.image?.url || value?.data || (value?.name && `file=${value.name}`) || value;
    return JSON.stringify({put: typeof address === "string" ? address.replace(/^\/?file=/, "./file=") : null, turn: Math.random()});
};

// Extensions' events ask for what is there, whichever of img2img's tabs shows.
webui.startCanvasFields = function() {
    for (const [id, canvas] of Object.entries(webui.canvases)) {
        webui.fillers[id] = (text) => {
            webui.canvasGiven(id, text);        // an extension that listens may be asked before the page's own script
            return canvas.content();
        };
        canvas.onChange(webui.tellOfCanvas);
    }
};
