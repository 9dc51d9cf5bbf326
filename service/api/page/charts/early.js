// Begins to bring the charts' library in where a run is asked for, while the rest of the page is on its way.
// No module: those are run once the page is there.

if (/^#\/runs\/./.test(location.hash)) {
  const script = document.createElement("script");
  script.src = "page/plotly.js";
  // `library.js` tries again.
  script.onerror = () => script.remove();
  document.head.append(script);
}
