package importer_test

import "encoding/json"

// expected is the part of expected.json that the tests read by name.
type expected struct {
	Source struct {
		LastRowAt int64 `json:"last_row_at"`
	} `json:"source"`
	Tables map[string]struct {
		Rows   int64  `json:"rows"`
		Import string `json:"import"`
	} `json:"tables"`
	Credentials struct {
		Admin struct{ Value string } `json:"admin_secret"`
		Orgs  []struct {
			Key, ID string
			Secret  string `json:"org_secret"`
			Expect  answer `json:"expect_login"`
		}
		Bots []struct {
			Org, ID, Name, Token string
			OrgID                string `json:"org_id"`
			Role                 string `json:"auth_role"`
			Expect               answer
		}
		Scoped []struct {
			ID, Token string
			BotID     string `json:"bot_id"`
			Expect    answer `json:"expect_get_me"`
		} `json:"scoped_tokens"`
		Tickets []struct {
			Org, Ticket string
			OrgID       string `json:"org_id"`
			Expect      answer `json:"expect_register_new_name"`
		}
		Invites []inviteFacts `json:"invite_codes"`
		Dead    []struct {
			What, Name, Token, Secret string
			OrgID                     string `json:"org_id"`
			Expect                    answer
		}
	} `json:"credentials"`
	Orgs     []map[string]any `json:"orgs"`
	Bots     []map[string]any `json:"bots"`
	Channels []map[string]any `json:"channels"`
	Threads  []map[string]any `json:"threads"`
	Files    []map[string]any `json:"files"`
	Catchup  struct {
		Rows   int64            `json:"rows"`
		Living int64            `json:"rows_of_living_bots"`
		ByType map[string]int64 `json:"by_type"`
	} `json:"catchup"`
	Totals map[string]json.Number `json:"totals"`
}

type inviteFacts struct {
	ID, Code  string
	Label     *string
	MaxUses   json.Number `json:"max_uses"`
	UseCount  json.Number `json:"use_count"`
	ExpiresAt json.Number `json:"expires_at"`
	CreatedAt json.Number `json:"created_at"`
	Expect    answer      `json:"expect_create_org"`
}

// answer is what a server must answer.
type answer struct {
	Status     int
	Code       string
	JoinStatus string `json:"join_status"`
}
