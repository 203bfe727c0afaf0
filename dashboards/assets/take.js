/* Links that take something away carry the view and the colours of the moment they are followed;
   a menu that opens gives the focus to its first item. */
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

  /* Mantine focuses an empty box in an opened menu, which is no item of it to a screen reader. */
  function enter(event) {
    const box = event.target;
    if (box.matches && box.matches("[role=menu] > [data-autofocus]:empty")) {
      const first = box.parentElement.querySelector("[role=menuitem]");
      if (first) { first.focus(); }
      box.hidden = true;
    }
  }

  document.addEventListener("focusin", enter);
  ["pointerdown", "focusin", "mouseover"].forEach(function (name) {
    document.addEventListener(name, complete, true);
  });
})();
