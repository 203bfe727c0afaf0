/* Links that take something away carry the view and the colours of the moment they are followed. */
(function () {
  "use strict";

  function completed(name) {
    const shown = new URLSearchParams(window.location.search);
    const whole = name.startsWith("best.") || name.startsWith("report.");
    const params = whole ? new URLSearchParams() : shown;
    if (whole && shown.get("sweep")) { params.set("sweep", shown.get("sweep")); }
    if (!whole) {
      const set = document.documentElement.getAttribute("data-mantine-color-scheme");
      params.set("scheme", set === "dark" ? "dark" : "light");
    }
    const query = params.toString();
    return "/download/" + name + (query ? "?" + query : "");
  }

  function complete(event) {
    const link = event.target.closest && event.target.closest("[data-take]");
    if (link) { link.setAttribute("href", completed(link.dataset.take)); }
  }

  ["pointerdown", "focusin", "mouseover"].forEach(function (name) {
    document.addEventListener(name, complete, true);
  });
})();
