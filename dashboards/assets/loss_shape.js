/* The curves of the loss's page follow the sliders in the browser: no request while one is dragged.
   The formulas are those of dashboards/figures/loss_shape.py, and tested against them. */
(function () {
  "use strict";

  /* Positions -100 to 100 stand for slopes of 0.1 to 100 on a log scale, negative ones for
     negative slopes; 0 stands for no slope at all. */
  function slopeAt(position) {
    if (!position) { return 0; }
    return Math.sign(position) * Math.pow(10, (Math.abs(position) - 1) / 33 - 1);
  }

  function positionOf(slope) {
    if (!slope) { return 0; }
    const place = 1 + 33 * (Math.log10(Math.abs(slope)) + 1);
    return Math.sign(slope) * Math.min(100, Math.max(1, Math.round(place)));
  }

  function rounded(value) { return Number(value.toPrecision(3)); }

  function sigmoid(x) {
    if (x >= 0) { return 1 / (1 + Math.exp(-x)); }
    const power = Math.exp(x);
    return power / (1 + power);
  }

  const curves = {
    S: function (u, beta, eta) { return sigmoid(beta * (u + eta)); },
    step: function (u, beta, eta) { return beta * (u + eta) >= 0 ? 1 : 0; },
    line: function (u, beta, eta) {
      const value = 0.5 + beta * (u + eta) / 4;
      return value >= -0.1 && value <= 1.1 ? value : null;
    },
    gradient: function (u, beta, eta) {
      const s = sigmoid(beta * (u + eta));
      return beta * s * (1 - s);
    }
  };

  /* u of the traces, computed and not read: arrays may come as base64. */
  function points(range, n) {
    const step = (range[1] - range[0]) / (n - 1);
    return Array.from({ length: n }, function (_, i) { return range[0] + i * step; });
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    loss_shape: {
      /* Slider and field of β and of η are one number each: the one that moved wins. */
      settings: function (position, beta, offset, eta) {
        const by = window.dash_clientside.callback_context.triggered_id;
        const kept = window.dash_clientside.no_update;
        if (by === "shape-beta-slider") {
          const slope = rounded(slopeAt(position));
          return [kept, slope, kept, kept, String(slope).replace("-", "−"), kept];
        }
        if (by === "shape-eta-slider") {
          return [kept, kept, kept, offset, kept, String(offset).replace("-", "−")];
        }
        const words = [beta, eta].map(function (value) { return String(value).replace("-", "−"); });
        const shown = Math.max(-12, Math.min(12, Number(eta)));
        return [positionOf(Number(beta)), kept, shown, kept, words[0], words[1]];
      },
      draw: function (base, beta, eta) {
        if (!base || beta === "" || eta === "" || beta === null || eta === null) {
          return window.dash_clientside.no_update;
        }
        const slope = Number(beta), offset = Number(eta), n = base.points;
        const u = points(base.figure.layout.xaxis.range, n);
        const data = base.figure.data.map(function (trace) {
          const curve = curves[trace.name];
          if (!curve) { return trace; }
          const y = u.map(function (value) { return curve(value, slope, offset); });
          return Object.assign({}, trace, { x: u, y: y });
        });
        const meta = Object.assign({}, base.figure.layout.meta, { beta: slope, eta: offset });
        const layout = Object.assign({}, base.figure.layout, { meta: meta });
        return { data: data, layout: layout };
      }
    }
  });
}());
