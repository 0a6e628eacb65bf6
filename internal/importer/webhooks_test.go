package importer_test

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

// A webhook receives the events after the import, not the imported ones.
func TestWebhooksStartBehindTheLog(t *testing.T) {
	t.Parallel()
	s := samples(t)[0]
	for _, to := range targets(t) {
		t.Run("into "+to.name, func(t *testing.T) {
			importInto(t, s.from, s.dir, to)
			db := to.open(t)
			hooked := must(db.FreeWebhooks(t.Context(), store.Live{}, 100))(t)
			if len(hooked) == 0 {
				t.Error("no bot has a webhook")
			}
			history := false
			for _, bot := range hooked {
				top := must(db.LogTop(t.Context(), bot.OrgID))(t)
				history = history || top.Seq > 0
				if read := must(db.WebhookPosition(t.Context(), bot.BotID))(t); read != top.Seq {
					t.Errorf("the webhook of %s starts at %d of a log that ends at %d", bot.BotID, read, top.Seq)
				}
			}
			if !history {
				t.Error("no log has entries")
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
