package conformance

import "strings"

// socketChecks returns the checks of WebSocket connections.
func socketChecks() []Check {
	return join(wsTicketChecks(), closeChecks(), frameChecks(), opChecks(), opRefusalChecks(), subscriptionChecks(), slowChecks())
}

// liveChecks returns the checks of events, positions, streams, catch-up, presence and webhooks.
func liveChecks() []Check {
	return join(eventChecks(), eventThreadChecks(), eventBotChecks(), positionChecks(), streamChecks(), loadChecks(), catchupChecks(), presenceChecks(), hookChecks(), traceChecks(), exactCollabChecks(), clientChecks())
}

// fields splits s at spaces. It returns an empty list, not nil, for an empty s.
func fields(s string) []string { return append([]string{}, strings.Fields(s)...) }
