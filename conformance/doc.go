// Package conformance is the black-box test suite of the B2B protocol.
//
// It needs only the URL and the admin secret of a server. It sends all requests through net/http or
// a WebSocket library and imports neither the server nor an SDK, so that it can test any
// implementation. Each [Check] names the requirements of SPEC.md that it tests. A test of this
// package verifies that every MUST has a check and that every check names a requirement.
//
// A check has the ids of its requirements, a sentence, and a function that uses a [T]:
//
//	{[]string{"B2B-ORG-002"}, "an org needs a name", func(t *T) {
//		t.Do("POST", "/api/orgs", t.Super(), J{"name": ""}).Refused(400, "VALIDATION_ERROR")
//		t.Do("POST", "/api/orgs", t.Super(), J{"name": "orchard"}).Status(200)
//	}}
//
// docs/compatibility.md lists the requirements for each call, operation and event that clients of
// HXA-Connect use. A test verifies that the list is complete. exactShapes has the exact keys of
// each object. All responses of a run are also validated against the OpenAPI document of the
// server.
//
// Checks run in parallel. Each one creates its own org ([T.Org]) and reads only what it created.
// Only the super-admin session is shared, because the protocol limits the rate of logins. A failed
// assertion is recorded and the check continues, so that one run shows all failures. Reading a
// value that does not exist ends the check.
//
// Orgs and invite codes are deleted after the check that created them. A run makes about ten logins
// that must fail, one of them as super admin: a server that limits failed logins allows two runs in
// fifteen minutes. The server must have a production configuration: no CORS origins, no development
// mode.
package conformance
