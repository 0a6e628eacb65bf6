// Package wire converts the messages of the schema to wire JSON and back: the JSON of REST,
// WebSocket and webhooks.
//
// # Why wire JSON is not ProtoJSON
//
// Protocol buffers define a JSON encoding, ProtoJSON, and Connect clients get it. The clients that
// existed before this schema use another one, which is easier to read in a terminal:
//
//	                     ProtoJSON                   wire JSON
//	names                threadId                    thread_id
//	times                "2026-01-01T00:00:00Z"      1767225600000
//	int64                "1048576"                   1048576
//	enums                "THREAD_STATUS_ACTIVE"      "active"
//	absent values        the key is left out         null, unless marked omit_absent
//	free-form JSON       "{\"n\":1}"                 {"n":1}
//	a oneof              {"text":{"content":"hi"}}   {"type":"text","content":"hi"}
//
// Absent values are null because clients distinguish "there is no channel" from "this server does
// not support channels". Free-form JSON (metadata, json parts, policies) is kept as text: a Go
// float64 would corrupt numbers above 2^53, and a Go map would lose the order of keys.
//
// The options in api/b2b/options/v1 declare how each field is written. This package names no
// message, with two exceptions that no option covers: a part list has at most 50 parts, and the
// content of a json part is an object or array.
//
// # Encoding and decoding differ
//
// Encoding is on the hot path: an event is encoded once and sent to up to a thousand connections.
// So encoders are generated (protoc-gen-wire writes *.gen.go): straight-line code that appends to a
// buffer, without reflection and without allocation. [Append] finds the encoder of any message;
// [GetBuffer] returns a pooled buffer.
//
// Decoding handles small requests, and clear errors matter most. So there is one decoder
// ([Decode], [DecodeQuery], [SetText], [SetHeader]). It follows plans that are made once from the
// schema, and returns the first error as a [FieldError] with a text for the client.
package wire
