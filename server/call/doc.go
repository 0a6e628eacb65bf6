// Package call is what every binding has in common: who is calling and with
// what, which operation, the one way through the checks, and the one error type.
//
// A binding (REST, Connect, WebSocket) turns bytes into a request message and a
// [Credentials] value, finds the [Operation], and hands both to [Pipeline.Do].
// The pipeline authenticates, checks access as the schema declares it, and runs
// the service method; the binding then writes the message, or the [*Error]. No
// binding knows a rule of the protocol, and no service method knows a binding.
package call
