// Package conformance is the black-box suite of the B2B protocol.
//
// It knows a server by its URL and its admin secret and nothing else: every byte goes through net/http or a WebSocket library, and the package imports
// neither the server nor an SDK, so that it can judge any implementation. Each [Check] names the requirements of SPEC.md that it
// proves; a test of this package holds the two together (no MUST without a check, no check without a requirement).
//
// A check is plain data: the ids it proves, a sentence, and a function that drives a [T]:
//
//	{[]string{"B2B-ORG-003"}, "an org needs a name", func(t *T) {
//		t.Do("POST", "/api/orgs", t.Super(), J{"name": ""}).Refused(400, "VALIDATION_ERROR")
//		t.Do("POST", "/api/orgs", t.Super(), J{"name": "orchard"}).Status(200)
//	}}
//
// docs/compatibility.md leads from each call, operation and event that clients of HXA-Connect rely
// on to requirements; a test holds that none is missing. The exact keys of each object are in
// exactShapes, and a whole run is checked against the OpenAPI document that the server publishes.
//
// Checks run side by side, so each one makes an organisation of its own ([T.Org]) and looks only at what it made. Only the super-admin
// session is shared: logins are throttled by the protocol. Assertions are soft (they record and go on, so that one
// run shows everything that is wrong); reading a value that is not there ends the check.
//
// A run leaves nothing behind: orgs and invite codes are removed after their check. It fails about ten logins on purpose, one of them as
// super admin, so a server that throttles failed logins can be tried twice in a quarter of an hour, not more. The server must be
// configured as it would be in production: no CORS origins, no development mode.
package conformance
