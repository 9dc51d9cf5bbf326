// The API's document in Swagger UI, which can try each route.

const spec = await (await fetch("openapi.json")).json();
// Behind a path prefix, too, requests go to where this page came from.
spec.servers = [{ url: new URL(".", location.href).href.replace(/\/$/, "") }];
SwaggerUIBundle({
  spec,
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
});
