// Short messages in a corner of the page, read out by screen readers; errors stay until they are closed.

webui.toast = function(text, kind = "info") {
    let stack = document.getElementById("webui_toasts");
    if (!stack) {
        stack = document.createElement("div");
        stack.id = "webui_toasts";
        stack.setAttribute("aria-live", "polite");
        document.body.appendChild(stack);
    }
    Array.from(stack.children).filter((each) => each.classList.contains(kind) && each.querySelector("p").firstChild?.textContent === text).forEach((same) => same.remove());
    const toast = document.createElement("div");
    toast.className = `webui-toast ${kind}`;
    toast.setAttribute("role", kind === "error" ? "alert" : "status");
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.textContent = "×";
    close.setAttribute("aria-label", "Close this message");
    close.addEventListener("click", () => toast.remove());
    toast.append(words, close);
    stack.append(toast);
    while (stack.children.length > 4) {
        stack.firstChild.remove();
    }
    if (kind !== "error") {
        setTimeout(() => toast.remove(), 6000);
    }
    return toast;
};
