// Package wireschema reads what the schema says about REST and wire JSON: google.api.http, the
// options of api/b2b/options/v1, the limits and the comments. The generators of the OpenAPI
// document and of the REST clients share it, so that both describe the same API.
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
