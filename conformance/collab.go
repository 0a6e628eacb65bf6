package conformance

// collabChecks lists the checks of channels, messages, threads, joining and artifacts.
func collabChecks() []Check {
	return nil
}
