package conformance

// collabChecks returns the checks of channels, messages, threads, joining, artifacts and the
// org-admin endpoints for them.
func collabChecks() []Check {
	return join(
		channelChecks(), contentChecks(), messageChecks(), mentionChecks(), pagingChecks(),
		threadChecks(), threadAccessChecks(), listChecks(), etagChecks(), updateChecks(), lifecycleChecks(), policyChecks(), rateChecks(),
		joinChecks(), participantChecks(), artifactChecks(), lenientChecks(), orgThreadChecks(), inboxChecks(), replayChecks(), leaseChecks(),
		loopChecks(), deliveryChecks(), inboxStreamChecks(), recipientChecks(), receiptChecks(), receiptEventChecks(), deadlineChecks(), decisionChecks(), searchChecks(), mcpChecks(), a2aChecks(),
	)
}
