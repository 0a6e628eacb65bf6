// Package forwarded finds out who sent a request that came through proxies.
//
// A proxy hides the address of its client and says it in X-Forwarded-For: it adds the
// address that it saw to the end of what it was sent. The beginning of that list is
// therefore whatever the client wrote, and only entries that proxies of the operator added
// may be believed. [Trust] says which those are: either how many proxies there are, or
// which addresses they have.
//
// With addresses, a request of anybody else is taken as it is, whatever its headers say.
// With a number, whoever opens a connection counts as the nearest proxy, so the port must
// be reachable through the proxies alone.
package forwarded
