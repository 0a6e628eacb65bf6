// Package wireschema reads what the schema says about REST and wire JSON: google.api.http, the
// options of api/b2b/options/v1, the limits and the comments. All generators of this repository share
// it, so that the server, the OpenAPI document and the REST clients follow the same API.
package wireschema

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// Package is the package of the schema that clients see.
	Package = "b2b.v1"
	// Timestamp is the message of times, which wire JSON writes as Unix milliseconds.
	Timestamp protoreflect.FullName = "google.protobuf.Timestamp"
	// HTTPBody is the message of a body that is written unchanged.
	HTTPBody protoreflect.FullName = "google.api.HttpBody"
)
