// Package forwarded finds the client address of a request that came through proxies.
//
// A proxy hides the address of its client and reports it in X-Forwarded-For: it appends the address
// that it saw to the value that it received. The client can write anything into the beginning of
// that list, so only the entries that the operator's proxies appended can be trusted. [Trust] says
// which ones these are: either by the number of proxies or by their addresses.
//
// With addresses, the headers of a request from any other address are ignored. With a number, any
// peer that connects is trusted as the nearest proxy, so the port must be reachable only through
// the proxies.
package forwarded
