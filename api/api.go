// Package api carries what is generated from the schema for others to read: the
// OpenAPI document of the REST binding. The schema itself lies beside it.
package api

import _ "embed"

//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the OpenAPI 3.1 document of the REST binding, as a server at the root
// of its address answers it. It must not be changed.
func OpenAPI() []byte { return openAPI }
