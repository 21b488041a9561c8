// The API to look at and to try: Swagger UI over /openapi.json, in the scheme that the machine is set to.

import { onScheme } from "./theme.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

function scheme() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

scheme();
onScheme(scheme);
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: -1, // routes tell their bodies themselves
  validatorUrl: null, // nothing goes to anybody else
});
