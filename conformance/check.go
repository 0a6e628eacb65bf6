package conformance

// Check tests one behaviour of a server from outside.
type Check struct {
	Requirements []string   // ids of SPEC.md that the server violates if the check fails
	Name         string     // the expected behaviour as a sentence; unique in the suite
	Run          func(t *T) // calls the server and reports failures; T.Fatalf ends it
}

// Checks returns all checks of the suite.
func Checks() []Check {
	return join(coreChecks(), collabChecks(), socketChecks(), liveChecks())
}

// join concatenates lists of checks.
func join(lists ...[]Check) []Check {
	var all []Check
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
