package conformance

import (
	"fmt"
	"slices"
	"sort"
)

// botListChecks returns the checks of the lists of bots.
func botListChecks() []Check {
	return []Check{
		{[]string{"B2B-BOT-003"}, "the peers of a bot are the other bots, ordered by name", func(t *T) {
			o := t.Org()
			bot := o.Bot("Zed")
			o.Bot("alpha")
			hidden, rejected := o.PendingBot("hidden"), o.PendingBot("rejected")
			rejected.SetStatus("rejected")
			t.names(t.Get("/api/peers", bot), "", "admin", "alpha")
			t.names(t.Get("/api/peers", o.Admin), "", "Zed", "alpha", "hidden", "rejected")
			hidden.SetStatus("active")
			t.names(t.Get("/api/peers", bot), "", "admin", "alpha", "hidden")
		}},
		{[]string{"B2B-BOT-004"}, "a bot can list the bots of its org, ordered by name", botList},
		{[]string{"B2B-BOT-005"}, "a bot can filter the list of bots", botFilters},
		{[]string{"B2B-BOT-006"}, "org-admin sessions can page the bots by id and search their names", botPages},
		{[]string{"B2B-BOT-006"}, "a page of bots has 50 entries by default, and at most 200", botPageSizes},
	}
}

func botList(t *T) {
	o := t.Org()
	bot := o.Bot("Zed")
	for _, name := range []string{"alpha", "_under", "-dash", "9lives"} {
		o.Bot(name)
	}
	o.PendingBot("hidden")
	members := []string{"-dash", "9lives", "Zed", "_under", "admin", "alpha"}
	all := append(slices.Clone(members), "hidden")
	sort.Strings(all)
	t.names(t.Get("/api/bots", bot), "", members...)
	t.names(t.Get("/api/bots?limit=1&cursor=x&search=alpha", bot), "", members...)
	t.names(t.Get("/api/bots", bot.Login()), "", members...)
	t.names(t.Get("/api/bots", o.Admin), "", all...)
}

func botFilters(t *T) {
	o := t.Org()
	o.Bot("a", J{"role": "Reviewer", "tags": []string{"Go", "web"}, "status_text": "On Call", "bio": "100% sure", "function": "Quality"})
	o.Bot("b", J{"role": "reviewer", "tags": []string{"go"}, "status_text": "away", "bio": "100 sure"})
	o.Bot("c", J{"role": "review", "tags": []string{"golang"}, "bio": "snake_case ÉTÉ"})
	o.Bot("d", J{"bio": "snakeXcase"})
	o.PendingBot("hidden", J{"role": "reviewer"})
	bot := o.Bot("z")
	for query, want := range map[string][]string{
		"":                           {"a", "admin", "b", "c", "d", "z"},
		"role=REVIEWER":              {"a", "b"},
		"role=review":                {"c"},
		"role=":                      {"a", "admin", "b", "c", "d", "z"},
		"tag=GO":                     {"a", "b"},
		"tag=gol":                    {},
		"status=on%20call":           {"a"},
		"status=on":                  {},
		"status=online":              {},
		"status=offline":             {"a", "admin", "b", "c", "d", "z"},
		"q=REVIEW":                   {"a", "b", "c"},
		"q=qual":                     {"a"},
		"q=100%25":                   {"a"},
		"q=snake_":                   {"c"},
		"q=%25":                      {"a"},
		"q=nothing":                  {},
		"role=reviewer&tag=web":      {"a"},
		"role=reviewer&q=sure&tag=x": {},
		"q=&tag=&status=&role=":      {"a", "admin", "b", "c", "d", "z"},
	} {
		t.names(t.Get("/api/bots?"+query, bot), "", want...)
	}
	t.names(t.Get("/api/bots?role=reviewer", o.Admin), "", "a", "b", "hidden")
	t.names(t.Get("/api/bots?role=reviewer", o.Human()), "", "a", "admin", "b", "c", "d", "hidden", "z")
}

func botPages(t *T) {
	o := t.Org()
	for _, name := range []string{"Alpha", "beta", "alpha_2", "alphaX2"} {
		o.Bot(name)
	}
	o.PendingBot("hidden")
	human := o.Human()
	all := []string{"Alpha", "admin", "alphaX2", "alpha_2", "beta", "hidden"}
	sort.Strings(all)
	t.names(t.Get("/api/bots", human), "", all...)
	t.names(t.Get("/api/bots?search=&limit=&cursor=%20", human), "", all...)
	ids := t.Get("/api/bots", human).OK().Pluck("", "id")
	sort.Strings(ids)
	first := t.Get("/api/bots?limit=50", human).OK().Equal("has_more", false).Lacks("next_cursor")
	if got := first.Pluck("items", "id"); !slices.Equal(got, ids) {
		t.Errorf("%s: want the ids in order, %v", first, ids)
	}
	var paged []string
	path := "/api/bots?limit=4"
	for range 3 {
		page := t.Get(path, human).OK().Shape("", "items:a has_more:b")
		got := page.Pluck("items", "id")
		paged = append(paged, got...)
		if !page.Bool("has_more") {
			page.Lacks("next_cursor")
			break
		}
		page.Equal("next_cursor", got[len(got)-1])
		path = "/api/bots?limit=4&cursor=" + got[len(got)-1]
	}
	if !slices.Equal(paged, ids) {
		t.Errorf("pages of 4 list %v, want %v", paged, ids)
	}
	t.Get("/api/bots?limit=6", human).OK().Equal("has_more", false).Len("items", 6).Lacks("next_cursor")
	t.Get("/api/bots?limit=-3", human).OK().Equal("has_more", true).Len("items", 1)
	for search, want := range map[string][]string{
		"ALPHA": {"Alpha", "alphaX2", "alpha_2"}, "a_2": {"alpha_2"}, "%25": {}, "nobody": {}, "idd": {"hidden"},
	} {
		r := t.Get("/api/bots?search="+search, human).OK().Equal("has_more", false)
		got := r.Pluck("items", "name")
		sort.Strings(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: names %v, want %v", r, got, want)
		}
	}
	t.Get("/api/bots?search=alpha&limit=2", human).OK().Equal("has_more", true).Len("items", 2).Has("next_cursor")
}

func botPageSizes(t *T) {
	o := t.Org()
	o.Bot("bot")
	t.Concurrently(4, func(i int) {
		for n := range 51 {
			o.Bot(fmt.Sprintf("bot-%d-%d", i, n))
		}
	})
	t.Get("/api/bots?search=BOT", o.Human()).OK().Len("items", 50).Equal("has_more", true)
	t.Get("/api/bots?search=BOT&limit=0", o.Human()).OK().Len("items", 50)
	t.Get("/api/bots?limit=1000", o.Human()).OK().Len("items", 200).Equal("has_more", true)
	t.Get("/api/bots", o.Human()).OK().Len("", 206)
}

// names asserts the names of the bots in the array at path, in order.
func (t *T) names(r *Response, path string, want ...string) {
	if got := r.OK().Pluck(path, "name"); !slices.Equal(got, want) {
		t.Errorf("%s: names %v, want %v", r, got, want)
	}
}
