// Package call is shared by all bindings: the caller and its credentials, the operations of
// the schema, the pipeline of checks before a service method, and the error type.
//
// A binding (REST, Connect, WebSocket) decodes a request message and [Credentials], finds the
// [Operation], and passes them to [Pipeline.Do]. The pipeline authenticates, checks access as
// the schema declares it, and runs the service method. The binding then writes the response
// message or the [*Error]. Bindings contain no rules of the protocol, and service methods do not
// depend on a binding.
package call
