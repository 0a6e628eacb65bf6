package conformance

// Check is one behaviour seen from outside.
type Check struct {
	Requirements []string   // ids of SPEC.md that a failure of this check refutes, such as "B2B-ORG-003"
	Name         string     // a sentence saying what holds; unique in the suite
	Run          func(t *T) // drives the server; ends early through T.Fatalf
}

// Checks returns the whole suite: the core, collaboration, WebSocket connections.
func Checks() []Check {
	return join(coreChecks(), collabChecks(), socketChecks(), liveChecks())
}

// join puts the lists of several files together.
func join(lists ...[]Check) []Check {
	var all []Check
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
