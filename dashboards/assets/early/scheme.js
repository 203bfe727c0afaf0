/* Runs before anything is drawn: the colour scheme chosen last, else the system's; and asks for
   what the page will show. */
(function () {
  "use strict";
  let chosen = null;
  try {
    chosen = window.localStorage.getItem("mantine-color-scheme-value");
  } catch (error) {
    chosen = null;
  }
  if (chosen !== "dark" && chosen !== "light") {
    chosen = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.setAttribute("data-mantine-color-scheme", chosen);

  /* The server draws the first figure for this width and scheme, and the browser asks for it while
     the scripts are still being read. The cookie says no more than these two words. */
  const width = window.innerWidth < 640 ? "narrow" : window.innerWidth < 1060 ? "medium" : "wide";
  document.cookie = "look=" + width + "." + chosen + "; path=/; SameSite=Strict";
  ["/_dash-layout", "/_dash-dependencies"].forEach(function (address) {
    const link = document.createElement("link");
    link.rel = "preload";
    link.as = "fetch";
    link.crossOrigin = "anonymous";
    link.href = address;
    document.head.appendChild(link);
  });
}());
