"use strict";

// Relative, so that the page also works below a path prefix of a proxy.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  filter: true,
  // The default asks a validator on the internet.
  validatorUrl: null,
  // A token must not outlive the page.
  persistAuthorization: false,
});
