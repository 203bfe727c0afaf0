/* The graph's code comes with the page, but its component would be made only once the page has been
   drawn with a gap in its place, and be drawn by another round of all components. A graph that is
   begun and taken away makes it beforehand: the page's first round holds the graph. */
(function () {
  "use strict";

  const core = window.dash_core_components;
  if (!core || !core.Graph || !window.ReactDOM || !window.ReactDOM.createRoot) { return; }
  const root = window.ReactDOM.createRoot(document.createElement("div"));
  window.ReactDOM.flushSync(function () {
    root.render(window.React.createElement(core.Graph, { id: "graph-ready", figure: {} }));
  });
  root.unmount();
}());
