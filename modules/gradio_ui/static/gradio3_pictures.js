// Pictures as extensions' scripts know them from Gradio 3, when an event hands them over: text, a data URL.

// Text that also has the words of Gradio 6's file, for scripts that were written for those.
webui.pictureText = async function(file) {
    const text = await webui.dataUrl(await webui.fetchPicture(file.url));
    return Object.assign(new String(text), file);      // eslint-disable-line no-new-wrappers
};

// value: what the event has of a picture, or of a place for one (JSON text, see canvas.py); null where there is none.
webui.pictureIn = async function(value, kind) {
    const path = kind === "canvas" && value ? JSON.parse(value).picture : null;
    const file = kind === "canvas" ? path && {path, url: `./gradio_api/file=${path.split("/").map(encodeURIComponent).join("/")}`} : value;
    return file?.url ? webui.pictureText(file).catch(() => value) : kind === "canvas" ? null : value;
};

// A gallery's entries answer to Gradio 3's words, unseen.
webui.namedEntries = function(entries) {
    for (const entry of Array.isArray(entries) ? entries : []) {
        if (entry?.image && !("data" in entry)) {
            Object.defineProperties(entry, {name: {value: entry.image.path}, data: {value: entry.image.url}, is_file: {value: true}});
        }
    }
    return entries;
};

// Calls an extension's script with `values`. kinds: by place, what each is. Pictures that it hands on go on as they came.
webui.givenPictures = async function(script, values, kinds) {
    const given = await Promise.all(values.map((value, place) => {
        return kinds[place] === "gallery" ? webui.namedEntries(value) : kinds[place] ? webui.pictureIn(value, kinds[place]) : value;
    }));
    const came = (value) => {
        const place = value instanceof String ? given.indexOf(value) : -1;
        return place < 0 ? (value instanceof String ? value.toString() : value) : values[place];
    };
    const result = await script(...given);
    return Array.isArray(result) ? result.map(came) : came(result);
};
