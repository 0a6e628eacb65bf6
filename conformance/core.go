package conformance

// coreChecks returns the checks of HTTP, credentials, orgs, bots, tokens, files and the audit log.
func coreChecks() []Check {
	return join(
		httpChecks(), edgeChecks(), requestChecks(), bearerChecks(), sessionChecks(), sessionRuleChecks(), fixationChecks(), throttleChecks(), forwardedChecks(), accessChecks(), scopeChecks(),
		orgChecks(), inviteChecks(), settingsChecks(), ticketChecks(), orgSessionChecks(),
		registerChecks(), registerCredentialChecks(), limitChecks(),
		botChecks(), botListChecks(), profileChecks(), tombstoneChecks(), joinStatusChecks(),
		tokenChecks(), fileChecks(), uploadChecks(), fairChecks(), pageChecks(), fileDownloadChecks(), polyglotChecks(), auditChecks(), auditActionChecks(), serverChecks(), openAPIChecks(), idempotencyChecks(), errorChecks(), exactCoreChecks(), exactAuditChecks(),
	)
}
