// Package rpc is the binding for the Connect, gRPC and gRPC-web protocols, with one path for each
// RPC ("/b2b.v1.ThreadService/GetThread"). connect implements the protocols; this package passes
// each call through the pipeline that all bindings share, and converts errors to those of connect.
//
// Credentials are the same as over REST: the Authorization and X-Org-Id headers, or the session
// cookie, which is also set on responses. An error has a [b2bv1.ErrorDetail] with the code that
// clients should check.
package rpc
