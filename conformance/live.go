package conformance

import "strings"

// liveChecks lists the checks of events, WebSocket connections, catch-up and presence.
func liveChecks() []Check {
	return join(
		eventChecks(), eventThreadChecks(), eventBotChecks(), positionChecks(), streamChecks(), torrentChecks(),
		wsTicketChecks(), closeChecks(), frameChecks(), opChecks(), opRefusalChecks(), watchChecks(),
		catchupChecks(), presenceChecks(),
	)
}

// fields splits at spaces; nothing gives an empty list.
func fields(s string) []string { return append([]string{}, strings.Fields(s)...) }
