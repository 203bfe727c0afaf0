/* What the browser does by itself: the address follows the view, and links keep it. */
(function () {
  "use strict";

  function bucket() {
    if (window.innerWidth < 640) { return "narrow"; }
    return window.innerWidth < 1060 ? "medium" : "wide";
  }

  /* A page that knows only part of a view (the losses know no axes) leaves the rest as it was. */
  function merged(query, whole, without) {
    if (whole) { return query; }
    const params = new URLSearchParams(window.location.search);
    (without || []).forEach(function (key) { params.delete(key); });
    new URLSearchParams(query).forEach(function (value, key) { params.set(key, value); });
    return "?" + params.toString();
  }

  /* The split is not carried over: a map is read on validation, losses are compared on test.
     Nor is the cell of the cell's page. */
  function carried(current) {
    const params = new URLSearchParams(window.location.search);
    params.delete("split");
    params.delete("cell.key");
    if (current) { params.set("sweep", current); }
    return params.toString();
  }

  function scheme() {
    const set = document.documentElement.getAttribute("data-mantine-color-scheme");
    return set === "dark" ? "dark" : "light";
  }

  let told = null;
  new MutationObserver(function () {
    if (told !== null && scheme() !== told) {
      told = scheme();
      document.cookie = "look=" + bucket() + "." + told + "; path=/; SameSite=Strict";
      window.dash_clientside.set_props("scheme", { data: told });
    }
  }).observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });

  /* Drawings asked for: the position under way, and the latest one wished for meanwhile. */
  const slide = { underway: null, wished: null, since: 0 };
  const PATIENCE_MS = 4000;

  /* The place under the pointer, and the wait until it counts as rested there. */
  const rest = { place: null, timer: null };
  const REST_MS = 70;

  /* Whether the address has been written once: the first page comes with its view. */
  let opened = false;

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
      address: function (view, beside, current, path, search, ids) {
        const called = window.dash_clientside.callback_context.triggered;
        const first = !opened;
        opened = true;
        [["view.data", view], ["view-beside.data", beside]].forEach(function (part) {
          const told = part[1];
          const news = first || called.some(function (by) { return by.prop_id === part[0]; });
          if (news && told && told.path === window.location.pathname) {
            const query = merged(told.query, told.whole, told.without);
            window.history.replaceState(
              window.history.state, "", window.location.pathname + query
            );
          }
        });
        const query = carried(current);
        const links = ids.map(function (id) {
          return id.nav === "/" || !query ? id.nav : id.nav + "?" + query;
        });
        const marks = ids.map(function (id) {
          return id.nav === window.location.pathname ? "nav-link is-current" : "nav-link";
        });
        return [links, marks, window.location.href];
      },
      latest: function (position) {
        const late = Date.now() - slide.since > PATIENCE_MS;
        if (slide.underway !== null && !late) {
          slide.wished = position;
          return window.dash_clientside.no_update;
        }
        slide.underway = position;
        slide.since = Date.now();
        return position;
      },
      drawn: function (position) {
        const wished = slide.wished;
        slide.underway = null;
        slide.wished = null;
        if (wished !== null && wished !== position) {
          slide.underway = wished;
          slide.since = Date.now();
          window.dash_clientside.set_props("map-position", { data: wished });
        }
      },
      /* A large map carries no texts: the page asks for that of the place where the pointer rests. */
      pointed: function (hovered, figure) {
        const still = window.dash_clientside.no_update;
        const trace = figure && figure.data && figure.data[0];
        const point = hovered && hovered.points && hovered.points[0];
        const place = point ? JSON.stringify([point.x, point.y]) : null;
        if (!trace || trace.hoverinfo !== "none" || !point) {
          window.clearTimeout(rest.timer);
          rest.place = null;
          return [false, still, still];
        }
        if (place === rest.place) {
          return [still, still, still];
        }
        window.clearTimeout(rest.timer);
        rest.place = place;
        rest.timer = window.setTimeout(function () {
          window.dash_clientside.set_props("map-hover", { children: "…", show: true });
          window.dash_clientside.set_props("map-pointed", { data: { x: point.x, y: point.y } });
        }, REST_MS);
        const middle = document.getElementById("map-graph").clientWidth / 2;
        return [false, point.bbox, point.bbox.x0 > middle ? "left" : "right"];
      },
      fixScale: function (clicks, span, low) {
        const fixed = low !== "" && low !== null && low !== undefined;
        return fixed || !span ? ["", ""] : span;
      },
      /* What comes with its figure drawn is not drawn again. */
      context: function (viewport, scheme, token, known) {
        const same = known && known.viewport === viewport && known.scheme === scheme
          && known.token === token;
        if (same || !viewport || !scheme || !token) { return window.dash_clientside.no_update; }
        return { viewport: viewport, scheme: scheme, token: token };
      },
      /* The page that came with the app is not asked for again. */
      asked: function (path, search, shown) {
        const address = [path || "/", search || ""];
        const same = shown && shown[0] === address[0] && shown[1] === address[1];
        return same || path === undefined ? window.dash_clientside.no_update : address;
      },
      width: function () {
        width = bucket();
        return width;
      },
      scheme: function () {
        told = scheme();
        return told;
      },
      /* To another page of the app, as a link goes there: without loading it anew. */
      go: function (address) {
        if (address) {
          window.history.pushState({}, "", address);
          window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
          window.scrollTo(0, 0);
        }
      },
      title: function (title) {
        if (title) { document.title = title; }
      }
    }
  });
}());
