// Texts of others in a chart.

/** Plotly reads a few tags in texts: a name that has any is to be shown as it is. */
export const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
