package a2a

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// agentProfile is what a bot says of itself as an agent, under "a2a" of the protocols of its profile:
// true, or an object.
type agentProfile struct {
	serves      bool
	Description string  `json:"description"`
	Skills      []skill `json:"skills"`
}

type skill struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Examples    []string `json:"examples"`
}

// profileOf reads what a bot says of itself. Keys that have no meaning here, or another type, are those
// of somebody else: the protocols of a profile are any JSON.
func profileOf(bot *b2bv1.Bot) agentProfile {
	var protocols map[string]json.RawMessage
	if bot.Protocols == nil || json.Unmarshal([]byte(bot.GetProtocols()), &protocols) != nil {
		return agentProfile{}
	}
	raw := strings.TrimSpace(string(protocols["a2a"]))
	p := agentProfile{serves: raw == "true" || strings.HasPrefix(raw, "{")}
	if strings.HasPrefix(raw, "{") && json.Unmarshal([]byte(raw), &p) != nil {
		return agentProfile{serves: true}
	}
	return p
}

// Serves reports whether a bot has opted in to be an agent (B2B-A2A-002).
func Serves(bot *b2bv1.Bot) bool { return profileOf(bot).serves }

// cardOf returns the card of an agent, made of its profile (B2B-A2A-003).
func cardOf(bot *b2bv1.Bot, at places, pushes bool) *a2a.AgentCard {
	p := profileOf(bot)
	card := &a2a.AgentCard{
		Name: bot.GetName(), Version: first(bot.GetVersion(), "1"),
		Description: first(p.Description, bot.GetBio(), bot.GetFunction(), "The agent "+bot.GetName()+"."),
		SupportedInterfaces: []*a2a.AgentInterface{
			a2a.NewAgentInterface(at.agentURL(), a2a.TransportProtocolJSONRPC),
			a2a.NewAgentInterface(at.agentURL(), a2a.TransportProtocolHTTPJSON),
		},
		Capabilities:      a2a.AgentCapabilities{Streaming: true, ExtendedAgentCard: true, PushNotifications: pushes},
		DefaultInputModes: []string{typeText, typeJSON, "*/*"}, DefaultOutputModes: []string{typeText, typeMarkdown, typeJSON, "*/*"},
		SecuritySchemes:      a2a.NamedSecuritySchemes{"bearer": a2a.HTTPAuthSecurityScheme{Scheme: "Bearer", Description: "A token of a bot of the org."}},
		SecurityRequirements: a2a.SecurityRequirementsOptions{{"bearer": {}}},
	}
	for i, s := range p.Skills {
		card.Skills = append(card.Skills, a2a.AgentSkill{
			ID: first(s.ID, fmt.Sprintf("skill-%d", i+1)), Name: first(s.Name, s.ID, bot.GetName()),
			Description: first(s.Description, s.Name, card.Description), Tags: some(s.Tags, bot), Examples: s.Examples,
		})
	}
	if len(card.Skills) == 0 {
		card.Skills = []a2a.AgentSkill{{
			ID: "work", Name: first(bot.GetFunction(), bot.GetRole(), bot.GetName()), Description: card.Description, Tags: some(nil, bot),
		}}
	}
	return card
}

func first(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}

// some returns the tags of a skill, of which A2A wants at least one.
func some(tags []string, bot *b2bv1.Bot) []string {
	if len(tags) == 0 {
		tags = bot.GetTags().GetValues()
	}
	if len(tags) == 0 {
		tags = []string{"b2b"}
	}
	return tags
}

// ServePublicCard serves the card of a bot to anybody, from any origin.
func (h *Handler) ServePublicCard(w http.ResponseWriter, r *http.Request, bot *b2bv1.Bot, base string) error {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return h.serveCard(w, r, bot, places{base: base, agent: bot.GetId()})
}

func (h *Handler) serveCard(w http.ResponseWriter, r *http.Request, bot *b2bv1.Bot, at places) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return ErrNoPath
	}
	text, err := json.Marshal(cardOf(bot, at, h.pushes != nil))
	if err != nil {
		return fmt.Errorf("encode the card of an agent: %w", err)
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Cache-Control", "max-age=60")
	w.Header().Set("Vary", "Authorization")
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(text) // an error means that the client is gone
	return nil
}
