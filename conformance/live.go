package conformance

import "strings"

// socketChecks lists the checks of WebSocket connections.
func socketChecks() []Check {
	return join(wsTicketChecks(), closeChecks(), frameChecks(), opChecks(), opRefusalChecks(), watchChecks(), slowChecks())
}

// liveChecks lists the checks of events, positions, streams, catch-up and presence.
func liveChecks() []Check {
	return join(eventChecks(), eventThreadChecks(), eventBotChecks(), positionChecks(), streamChecks(), torrentChecks(), catchupChecks(), presenceChecks(), hookChecks(), exactCollabChecks(), clientChecks())
}

// fields splits at spaces; nothing gives an empty list.
func fields(s string) []string { return append([]string{}, strings.Fields(s)...) }
