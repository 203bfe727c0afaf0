/* Most figures need only plotly's cartesian bundle, a third of the whole. A figure with another
   kind of trace (3-D, parallel coordinates) fetches the whole one first, once a visit. */
(function () {
  "use strict";

  const small = window.Plotly;
  const cartesian = new Set([
    "scatter", "bar", "box", "violin", "histogram", "histogram2d", "histogram2dcontour",
    "heatmap", "contour", "image", "pie"
  ]);
  let whole = null;

  function load() {
    if (whole === null) {
      whole = new Promise(function (resolve, reject) {
        const script = document.createElement("script");
        script.src = window._dashPlotlyJSURL;
        script.onload = function () {
          const full = window.Plotly;
          window.Plotly = wrapped(full);
          resolve(full);
        };
        script.onerror = function () {
          whole = null;
          reject(new Error("The part of plotly that draws this figure did not load."));
        };
        document.body.appendChild(script);
      });
    }
    return whole;
  }

  function beyond(figure) {
    const traces = Array.isArray(figure) ? figure : (figure && figure.data) || [];
    return traces.some(function (trace) {
      return trace && trace.type && !cartesian.has(trace.type);
    });
  }

  /* A graph drawn with the whole bundle stays with it: the small one does not know its traces. */
  function wrapped(plotly) {
    const needsWhole = plotly === small;
    function draw(name) {
      return function (graph, figure) {
        const rest = arguments;
        if (needsWhole && beyond(figure)) {
          return load().then(function (full) { return full[name].apply(full, rest); });
        }
        return plotly[name].apply(plotly, rest);
      };
    }
    return Object.assign({}, plotly, { react: draw("react"), newPlot: draw("newPlot") });
  }

  if (small) { window.Plotly = wrapped(small); }
}());
