/* A session that ends while a page is open: the page goes to the log-in, and comes back to its
   view. Every answer that a page asks for would otherwise be refused without a word. */
(function () {
  "use strict";

  const fetched = window.fetch;
  let leaving = false;
  window.fetch = function () {
    return fetched.apply(this, arguments).then(function (answer) {
      const own = new URL(answer.url, window.location.href).origin === window.location.origin;
      if (answer.status !== 401 || !own) { return answer; }
      if (!leaving) {
        leaving = true;
        const place = window.location.pathname + window.location.search;
        window.location.assign("/login?next=" + encodeURIComponent(place));
      }
      // Nobody waits for it: the page is on its way out.
      return new Promise(function () {});
    });
  };
}());
