/* The table of cells: links to a cell's page, and rows read anew when the numbers change. */
(function () {
  "use strict";

  const components = (window.dashAgGridComponentFunctions =
    window.dashAgGridComponentFunctions || {});

  components.CellLink = function (props) {
    if (!props.data) { return null; }
    return React.createElement("a", {
      href: props.data.href,
      className: "cell-link",
      onClick: function (event) {
        if (event.ctrlKey || event.metaKey || event.shiftKey) { return; }
        event.preventDefault();
        window.history.pushState({}, "", props.data.href);
        window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
        window.scrollTo(0, 0);
      }
    }, props.value);
  };

  let shown = null;
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    cells: {
      refresh: function (asked, grid) {
        const now = JSON.stringify(asked);
        if (asked && shown !== now) {
          shown = now;
          window.dash_ag_grid.getApiAsync(grid).then(function (api) { api.purgeInfiniteCache(); });
        }
      }
    }
  });
}());
