// Package rpc is the binding for typed clients: the Connect, gRPC and gRPC-web
// protocols, all three on one path for each RPC ("/b2b.v1.ThreadService/GetThread").
// connect does the bytes; what is here leads each call through the same pipeline
// that the other bindings use, and says an error in connect's words.
//
// Credentials travel as over REST: the Authorization and X-Org-Id headers, or the
// session cookie, which is also set on answers. An error carries a
// [b2bv1.ErrorDetail], whose code is what clients should look at.
package rpc
