package call

// Prepared is the response of a call in a form that saves the REST binding its work. The service
// method that returns a response may also set the Prepared of its Info. Both say the same.
type Prepared struct {
	Tag    string                // the ETag
	Size   int                   // of the body
	Append func(b []byte) []byte // appends the body: wire JSON
}
