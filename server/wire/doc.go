// Package wire turns the messages of the schema into wire JSON and back: the JSON
// that REST, WebSocket and webhooks speak.
//
// # Why wire JSON is not ProtoJSON
//
// Protocol buffers have a JSON of their own, and Connect clients get it. The
// clients that existed before this schema speak another one, and it is the better
// one to read in a terminal:
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
// Absent values are null because clients tell "there is no channel" from "this
// server knows of no channels". Free-form JSON (metadata, json parts, policies) is
// kept as text from the first byte to the last: a Go float64 would corrupt numbers
// above 2^53, and a Go map would lose the order of keys.
//
// The marks that say which rule a field follows are in api/b2b/options/v1. Nothing
// here knows a message by name, with two exceptions that no mark can say: a part
// list has at most 50 parts, and the content of a json part is an object or array.
//
// # Two directions, two techniques
//
// Out goes the hot path: one event is written once and handed to a thousand
// connections. So encoders are generated (protoc-gen-wire writes *.gen.go): straight
// code that appends to a buffer, without reflection and without allocation. [Append]
// finds the encoder of any message, [GetBuffer] lends the buffer.
//
// In come small requests, and what counts is to refuse well. So there is one
// decoder ([Decode], [DecodeQuery], [SetText], [SetHeader]) that walks plans made
// once from the schema, and answers the first thing that is wrong as a [FieldError]
// whose text can be told to the client.
package wire
