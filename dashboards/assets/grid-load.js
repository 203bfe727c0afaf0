/* AG Grid is a quarter of all scripts, and most pages have no table: it is fetched with the first
   one. Until then its component stands for it; Dash finds the same component before and after. */
(function () {
  "use strict";

  const address = document.querySelector("meta[name=grid-script]");
  if (!address) { return; }
  let whole = null;

  function load() {
    if (whole === null) {
      whole = new Promise(function (resolve, reject) {
        const script = document.createElement("script");
        script.src = address.content;
        script.onload = function () {
          const grid = window.dash_ag_grid;
          window.dash_ag_grid = known;
          resolve(grid);
        };
        script.onerror = function () {
          whole = null;
          reject(new Error("The part that draws tables did not load."));
        };
        document.body.appendChild(script);
      });
    }
    return whole;
  }

  let Grid = null;

  function Later(props) {
    const state = React.useState(Grid !== null);
    React.useEffect(function () {
      let mounted = true;
      load().then(function (grid) {
        Grid = grid.AgGrid;
        if (mounted) { state[1](true); }
      });
      return function () { mounted = false; };
    }, []);
    if (Grid) { return React.createElement(Grid, props); }
    return React.createElement("div", { id: props.id, style: props.style });
  }
  // As of the component itself: Dash then says who changed a property.
  Later.dashRenderType = true;

  const known = {
    AgGrid: Later,
    getApiAsync: function (id) {
      return load().then(function (grid) { return grid.getApiAsync(id); });
    }
  };
  window.dash_ag_grid = known;
}());
