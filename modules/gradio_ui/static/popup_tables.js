// Tables over the page, by A1111's names for them: how long the start took, and which setting bears which name.

/* exported showProfile, settingsHintsShowQuicksettings */

webui.popupTable = function(heads, rows) {
    const row = (tag, cells) => webui.make("tr", {}, ...cells.map((text) => webui.make(tag, {text})));
    popup(webui.make("table", {class: "popup-table"}, row("th", heads), ...rows.map((cells) => row("td", cells))));
};

// path: of an answer {total, records: name -> seconds}. What took less than ``cutoff`` seconds stands together in one line.
async function showProfile(path, cutoff = 0.05) {
    const answer = await webui.attempt(() => webui.ask(path));
    if (answer) {
        const records = Object.entries(answer.records).sort((one, other) => other[1] - one[1]);
        const short = records.filter((each) => each[1] < cutoff);
        const others = short.length > 0 ? [["others", short.reduce((sum, each) => sum + each[1], 0)]] : [];
        const shown = [["total", answer.total], ...records.filter((each) => each[1] >= cutoff), ...others];
        webui.popupTable(["Record", "Seconds"], shown.map(([name, seconds]) => [name, seconds.toFixed(3)]));
    }
}

async function settingsHintsShowQuicksettings() {
    const settings = await webui.attempt(() => webui.ask("./internal/quicksettings-hint"));
    if (settings) {
        webui.popupTable(["Name", "Setting"], settings.map((each) => [each.name, each.label]));
    }
}
