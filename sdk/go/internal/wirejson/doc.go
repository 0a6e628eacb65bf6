// Package wirejson reads and writes messages of the schema as wire JSON: the JSON of REST, WebSocket,
// server-sent events and webhooks. It follows the options of the schema, and needs no generated code.
package wirejson
