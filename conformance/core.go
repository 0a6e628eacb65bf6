package conformance

// coreChecks lists the checks of everything beneath collaboration: HTTP, credentials, organisations, bots.
func coreChecks() []Check {
	return join(
		httpChecks(), edgeChecks(), requestChecks(), bearerChecks(), sessionChecks(), sessionRuleChecks(), fixationChecks(), throttleChecks(), forwardedChecks(), accessChecks(), scopeChecks(),
		orgChecks(), inviteChecks(), settingsChecks(), ticketChecks(), orgSessionChecks(),
		registerChecks(), registerCredentialChecks(), limitChecks(),
		botChecks(), botListChecks(), profileChecks(), tombstoneChecks(), joinStatusChecks(),
		tokenChecks(), fileChecks(), uploadChecks(), fairChecks(), pageChecks(), fileDownloadChecks(), polyglotChecks(), auditChecks(), auditActionChecks(), serverChecks(), openAPIChecks(), idempotencyChecks(), errorChecks(), exactCoreChecks(), exactAuditChecks(),
	)
}

// unknownID is the id of nothing.
const unknownID = "00000000-0000-7000-8000-000000000000"
