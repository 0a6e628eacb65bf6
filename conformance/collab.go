package conformance

// collabChecks lists the checks of channels, messages, threads, joining, artifacts and what org admins see of them.
func collabChecks() []Check {
	return join(
		channelChecks(), contentChecks(), messageChecks(), mentionChecks(), pagingChecks(),
		threadChecks(), doorChecks(), listChecks(), etagChecks(), updateChecks(), lifecycleChecks(), policyChecks(), rateChecks(),
		joinChecks(), participantChecks(), artifactChecks(), lenientChecks(), orgThreadChecks(), inboxChecks(), replayChecks(),
	)
}
