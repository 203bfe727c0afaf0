/* Functions that the tables name: AG Grid takes them from here. */
(function () {
  "use strict";

  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});

  /* Scores are written with their interval, so they are ordered by the number in front. */
  functions.compareScores = function (a, b) {
    const first = parseFloat(String(a).replace("−", "-"));
    const second = parseFloat(String(b).replace("−", "-"));
    if (isNaN(first) || isNaN(second)) { return isNaN(first) - isNaN(second); }
    return first - second;
  };
}());
