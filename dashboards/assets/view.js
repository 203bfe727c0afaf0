/* What the browser does by itself: the address follows the view, and links keep it. */
(function () {
  "use strict";

  const PATHS = ["/", "/map", "/losses", "/about"];

  function bucket() {
    if (window.innerWidth < 640) { return "narrow"; }
    return window.innerWidth < 1060 ? "medium" : "wide";
  }

  /* A page that knows only part of a view (the losses know no axes) leaves the rest as it was. */
  function merged(query, whole) {
    if (whole) { return query; }
    const params = new URLSearchParams(window.location.search);
    new URLSearchParams(query).forEach(function (value, key) { params.set(key, value); });
    return "?" + params.toString();
  }

  /* The split is not carried over: a map is read on validation, losses are compared on test. */
  function links(current) {
    const params = new URLSearchParams(window.location.search);
    params.delete("split");
    if (current) { params.set("sweep", current); }
    const query = params.toString();
    return PATHS.map(function (path) {
      return path === "/" || !query ? path : path + "?" + query;
    });
  }

  function marks() {
    return PATHS.map(function (path) {
      return path === window.location.pathname ? "nav-link is-current" : "nav-link";
    });
  }

  function scheme() {
    const set = document.documentElement.getAttribute("data-mantine-color-scheme");
    return set === "dark" ? "dark" : "light";
  }

  let told = null;
  new MutationObserver(function () {
    if (told !== null && scheme() !== told) {
      told = scheme();
      window.dash_clientside.set_props("scheme", { data: told });
    }
  }).observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });

  let timer = null;
  let width = null;
  window.addEventListener("resize", function () {
    window.clearTimeout(timer);
    timer = window.setTimeout(function () {
      if (bucket() !== width) {
        width = bucket();
        window.dash_clientside.set_props("viewport", { data: width });
      }
    }, 150);
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    view: {
      address: function (view, current) {
        const called = window.dash_clientside.callback_context.triggered_id;
        if (called === "view" && view && view.path === window.location.pathname) {
          const query = merged(view.query, view.whole);
          window.history.replaceState(
            window.history.state, "", window.location.pathname + query
          );
        }
        return links(current).concat(marks());
      },
      context: function (viewport, scheme, token) {
        return { viewport: viewport, scheme: scheme, token: token };
      },
      width: function () {
        width = bucket();
        return width;
      },
      scheme: function () {
        told = scheme();
        return told;
      },
      title: function (title) {
        if (title) { document.title = title; }
      }
    }
  });
}());
