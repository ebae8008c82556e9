// The Settings tab: fills the form from `opts`, finds what was changed, searches, shows one section or all.

webui.settingRows = () => Array.from(document.querySelectorAll("#settings .setting"));

// How each kind of field is read and written.
webui.settingKinds = {
    checkbox: {read: (row) => row.querySelector("input").checked, write: (row, value) => { row.querySelector("input").checked = Boolean(value); }},
    slider: {
        read: (row) => Number(row.querySelector("input[type=number]").value),
        write: (row, value) => row.querySelectorAll("input").forEach((input) => { input.value = value; }),
    },
    number: {read: (row) => Number(row.querySelector("input").value), write: (row, value) => { row.querySelector("input").value = value; }},
    textbox: {
        read: (row) => row.querySelector("input, textarea").value,
        write: (row, value) => { row.querySelector("input, textarea").value = value ?? ""; },
    },
    colorpicker: {read: (row) => row.querySelector("input").value, write: (row, value) => { row.querySelector("input").value = value; }},
    dropdown: {
        read: (row) => webui.chosenOption(row.querySelector("select")),
        write: (row, value) => {
            webui.chooseOption(row.querySelector("select"), value);
            webui.showChosenOption(row);
        },
    },
    radio: {read: (row) => webui.chosenRadio(row), write: (row, value) => webui.chooseRadio(row, value)},
    multiselect: {
        read: (row) => Array.from(row.querySelectorAll(".setting-token"), (token) => token.dataset.value),
        write: (row, values) => row.querySelector(".setting-tokens").replaceChildren(...(values || []).map((value) => webui.settingToken(value, webui.wordsOfChoice(row, value)))),
    },
    checkboxgroup: {
        read: (row) => Array.from(row.querySelectorAll("input:checked"), (input) => input.value),
        write: (row, values) => row.querySelectorAll("input").forEach((input) => { input.checked = (values || []).includes(input.value); }),
    },
};

webui.wordsOfChoice = (row, value) => Array.from(row.querySelector("select").options).find((each) => each.value === value)?.text;

// One chosen value of a list that keeps its order; a click takes it out.
webui.settingToken = function(value, words = value) {
    const token = document.createElement("button");
    token.type = "button";
    token.className = "setting-token token";
    token.dataset.value = value;
    token.title = `Take ${words} out`;
    token.textContent = `${value} ×`;
    return token;
};

webui.tokenPressed = function(token) {
    const row = token.closest(".setting");
    if (!row.querySelector("select").disabled) {
        token.remove();
        webui.markSetting(row);
    }
};

webui.tokenAdded = function(select) {
    const row = select.closest(".setting");
    const known = webui.readSetting(row);
    if (select.value && !known.includes(select.value)) {
        row.querySelector(".setting-tokens").append(webui.settingToken(select.value, select.selectedOptions[0].text));
    }
    select.value = "";
    webui.markSetting(row);
};

// A stored value that is not offered any more is kept: it becomes one more choice.
webui.chooseOption = function(select, value) {
    if (value === null || value === undefined) {
        select.selectedIndex = -1;
        return;
    }
    let option = Array.from(select.options).find((each) => each.value === String(value));
    if (!option) {
        option = new Option(value, value);
        select.add(option);
    }
    option.selected = true;
};

webui.showChosenOption = (row) => { row.querySelector(".setting-chosen").value = webui.chosenOption(row.querySelector("select")) ?? ""; };

// null where nothing is chosen: some settings hold nothing until somebody chooses.
webui.chosenOption = (select) => (select.selectedIndex < 0 ? null : select.value);

// A stored value that is not offered any more is kept as long as none is chosen.
webui.chosenRadio = (row) => row.querySelector("input:checked")?.value ?? JSON.parse(row.dataset.kept ?? "null");

webui.chooseRadio = function(row, value) {
    row.dataset.kept = JSON.stringify(value ?? null);
    row.querySelectorAll("input").forEach((input) => { input.checked = input.value === String(value); });
    webui.showChosenRadio(row);
};

webui.showChosenRadio = (row) => row.querySelectorAll(".wrap > label").forEach((each) => each.classList.toggle("selected", each.firstElementChild.checked));

webui.readSetting = (row) => webui.settingKinds[row.dataset.kind].read(row);

webui.writeSetting = function(row, value) {
    webui.settingKinds[row.dataset.kind].write(row, value);
    row.dataset.shown = JSON.stringify(webui.readSetting(row));
    webui.markSetting(row);
};

webui.markSetting = function(row) {
    const now = JSON.stringify(webui.readSetting(row));
    row.classList.toggle("edited", now !== row.dataset.shown);
    row.classList.toggle("not-default", now !== JSON.stringify(JSON.parse(row.dataset.default) ?? (row.dataset.kind === "textbox" ? "" : null)));
};

webui.fillSettings = function() {
    for (const row of webui.settingRows()) {
        if (row.dataset.key in opts) {
            webui.writeSetting(row, opts[row.dataset.key]);
        }
    }
};

// The edited settings by key, as JSON: what "Apply settings" sends.
webui.changedSettingsText = function() {
    const edited = webui.settingRows().filter((row) => row.classList.contains("edited"));
    edited.forEach((row) => { row.dataset.sent = JSON.stringify(webui.readSetting(row)); });
    return JSON.stringify(Object.fromEntries(edited.map((row) => [row.dataset.key, webui.readSetting(row)])));
};

// Settings of the row at the top that are on their way to the server: a click on Generate goes after them, and after the size that comes with a checkpoint.
webui.settingSent = () => Object.keys(webui.jobs).forEach((tab) => webui.fillBegins(tab, "setting"));

webui.settingArrived = () => Object.keys(webui.jobs).forEach((tab) => webui.fillEnded(tab, "setting"));

// A row's new value; what was typed since it was sent, or was not sent yet, stays as an edit.
webui.settingStored = function(row, value) {
    const typed = webui.readSetting(row);
    const stays = row.classList.contains("edited") && JSON.stringify(typed) !== row.dataset.sent;
    delete row.dataset.sent;
    webui.writeSetting(row, value);
    if (stays) {
        webui.settingKinds[row.dataset.kind].write(row, typed);
        webui.markSetting(row);
    }
};

// The server's answer to a change: {changed: {key: value}, errors: [...]}. fromPage: it was the Settings tab that asked.
webui.settingsStored = function(answerText, fromPage = false) {
    const answer = answerText ? JSON.parse(answerText) : {changed: {}, errors: ["The server did not store the settings. Is it still running?"]};
    const keys = Object.keys(answer.changed);
    answer.errors.forEach((words) => webui.toast(words, "error"));
    webui.changeOptions(answer.changed);
    for (const row of webui.settingRows().filter((each) => keys.includes(each.dataset.key))) {
        webui.settingStored(row, answer.changed[row.dataset.key]);
    }
    if (fromPage && answer.errors.length === 0) {
        webui.toast(keys.length > 0 ? `${keys.length} ${keys.length === 1 ? "setting" : "settings"} changed: ${keys.join(", ")}.` : "No setting was changed.");
    }
};

webui.showSettingsSection = function(id) {
    const form = webui.find("#settings");
    form.classList.remove("all");
    form.querySelectorAll(".settings-sections button").forEach((button) => button.classList.toggle("selected", button.dataset.section === id));
    form.querySelectorAll(".settings-pages > section").forEach((page) => page.classList.toggle("shown", page.id === `settings_${id}`));
    webui.openExtraSettings(id);
    if (form.getBoundingClientRect().top < 0) {
        form.scrollIntoView({block: "start", inline: "nearest"});
    }
};

// Shows the rows that hold all the words; an empty search goes back to one section.
webui.searchSettings = function() {
    const words = webui.field("settings_search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const changedOnly = webui.field("settings_changed_only").checked;
    const form = webui.find("#settings");
    const searching = words.length > 0 || changedOnly;
    form.classList.toggle("searching", searching);
    for (const row of webui.settingRows()) {
        const text = `${row.dataset.key} ${row.querySelector("label").textContent}`.toLowerCase();  // not what its list offers
        const found = words.every((word) => text.includes(word)) && (!changedOnly || row.classList.contains("not-default"));
        row.classList.toggle("not-found", searching && !found);
    }
    for (const page of form.querySelectorAll(".settings-pages > section")) {
        page.classList.toggle("nothing-found", searching && !page.querySelector(".setting:not(.not-found)"));
        page.querySelectorAll("details").forEach((details) => {
            details.open = searching && Boolean(details.querySelector(".setting:not(.not-found)"));
        });
    }
    form.querySelector(".settings-none").hidden = !searching || Boolean(form.querySelector(".setting:not(.not-found)"));
};

webui.showAllSettings = function(all) {
    webui.find("#settings").classList.toggle("all", all);
    webui.find("#settings_show_all_pages").style.display = all ? "none" : "";
    webui.find("#settings_show_one_page").style.display = all ? "block" : "";
};

webui.settingTouched = function(event) {
    const row = event.target.closest && event.target.closest("#settings .setting");
    if (!row) {
        return;
    }
    if (row.dataset.kind === "slider") {
        row.querySelectorAll("input").forEach((input) => {
            if (input !== event.target) {
                input.value = event.target.value;
            }
        });
    }
    if (event.target.classList.contains("setting-chosen")) {      // an extension wrote there
        webui.chooseOption(row.querySelector("select"), event.target.value);
    } else if (row.dataset.kind === "dropdown") {
        webui.showChosenOption(row);
    }
    if (row.dataset.kind === "radio") {
        webui.showChosenRadio(row);
    }
    if (event.target.classList.contains("setting-add")) {
        if (event.type === "change") {
            webui.tokenAdded(event.target);
        }
        return;
    }
    webui.markSetting(row);
};

webui.resetSetting = function(row) {
    webui.settingKinds[row.dataset.kind].write(row, JSON.parse(row.dataset.default));
    webui.markSetting(row);
};

onUiLoaded(() => {
    const form = webui.find("#settings");
    if (!form) {
        return;
    }
    webui.fillSettings();
    webui.showSettingsSection(form.querySelector(".settings-sections button").dataset.section);
    form.addEventListener("input", webui.settingTouched);
    form.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches('textarea[rows="1"]') && event.preventDefault());
    form.addEventListener("change", webui.settingTouched);
    form.addEventListener("click", (event) => {
        if (event.target.dataset.section) {
            webui.showSettingsSection(event.target.dataset.section);
        } else if (event.target.classList.contains("setting-reset")) {
            webui.resetSetting(event.target.closest(".setting"));
        } else if (event.target.classList.contains("setting-token")) {
            webui.tokenPressed(event.target);
        } else if (event.target.classList.contains("setting-refresh")) {
            webui.choicesWanted = event.target.closest(".setting").dataset.key;
            webui.find("#settings_refresh_run").click();
        }
    });
    webui.field("settings_search").addEventListener("input", webui.searchSettings);
    webui.field("settings_changed_only").addEventListener("change", webui.searchSettings);
    webui.find("#settings_show_all_pages").addEventListener("click", () => webui.showAllSettings(true));
    webui.find("#settings_show_one_page").addEventListener("click", () => webui.showAllSettings(false));
});
