package conformance

// coreChecks lists the checks of everything beneath collaboration: HTTP, credentials, organisations, bots.
func coreChecks() []Check {
	return join()
}
