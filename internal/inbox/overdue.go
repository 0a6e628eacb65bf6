package inbox

import b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"

// Acknowledged reports whether a bot has acknowledged a message of which this is the receipt
// (B2B-RCPT-033): it settled it, or says that it waits. Of a bot that does not use its inbox nobody
// knows, so what it wrote after the message counts.
func Acknowledged(state b2bv1.ReceiptState, wrote bool) bool {
	switch state {
	case b2bv1.ReceiptState_RECEIPT_STATE_DONE, b2bv1.ReceiptState_RECEIPT_STATE_WAITING:
		return true
	case b2bv1.ReceiptState_RECEIPT_STATE_UNCONFIRMED:
		return wrote
	}
	return false
}
