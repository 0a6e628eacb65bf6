// Package layers assigns each package of this repository to a layer, and checks that imports
// run downward only.
//
// A package may import packages of lower layers. The rules of the protocol therefore never
// depend on a database, and no binding depends on another binding. [Check] has further rules
// for imports that the order of the layers does not decide.
//
// A new package fails the test of this package until [Places] names it.
package layers

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the import path of the repository.
const Module = "github.com/b2b-protocol/b2b"

// A Layer is a rank in the order of imports: higher layers import lower ones.
type Layer int

// The layers from the lowest to the highest.
const (
	Generated   Layer = iota // the schema as Go types
	Rules                    // pure decisions, without I/O
	Common                   // shared by every layer above the rules
	Persistence              // the interface of the store
	Resources                // packages that read or write through that interface
	Services                 // the use cases
	Bindings                 // translate between bytes and messages
	Edge                     // handles requests before any binding
	Server                   // connects all packages
	Commands                 // the command-line programs
)

// A Place assigns a layer to the packages that match a pattern.
type Place struct {
	// Pattern is an import path below the module. With the ending "/..." it also matches
	// every package below that path. The longest pattern that matches a package applies.
	Pattern string
	Layer   Layer
}

// Places lists all packages. Check reports a package that no pattern matches.
var Places = []Place{
	{"cmd/b2b/...", Commands},
	{"bench", Commands},
	{"bench/internal/capacity", Common},
	{"bench/internal/scenario", Rules},
	{"bench/internal/table", Common},

	{"server", Server},
	{"server/config", Server},

	{"internal/edge", Edge},
	{"internal/admin", Edge},
	{"internal/metrics", Edge},

	{"internal/mcp", Bindings},
	{"internal/a2a", Bindings},
	{"internal/rest", Bindings},
	{"internal/rpc", Bindings},
	{"internal/retention", Bindings},
	{"internal/webhook", Bindings},
	{"internal/ws", Bindings},

	{"internal/service", Services},
	{"internal/importer", Services},
	{"internal/vault", Services},

	{"internal/accesslog", Resources},
	{"internal/auth", Resources},
	{"internal/botlist", Resources},
	{"internal/eventlog/...", Resources},
	{"internal/files/...", Resources},
	{"internal/inbox", Resources},
	{"internal/intake", Resources},
	{"internal/node", Resources},
	{"internal/presence", Resources},
	{"internal/search", Resources},
	{"internal/store/sqlstore/...", Resources},
	{"internal/store/storetest/...", Resources},
	{"internal/subscription", Resources},

	{"internal/store", Persistence},

	{"internal/addressing", Common},
	{"internal/bytecache", Common},
	{"internal/call", Common},
	{"internal/concurrency", Common},
	{"internal/searchtext", Common},
	{"internal/tracing", Common},
	{"internal/wire", Common},

	{"internal/eventtype", Rules},
	{"internal/forwarded", Rules},
	{"internal/fair", Rules},
	{"internal/complexitytest", Rules},
	{"internal/decision", Rules},
	{"internal/jsonrepair", Rules},
	{"internal/jstext", Rules},
	{"internal/leasename", Rules},
	{"internal/limits", Rules},
	{"internal/logtest", Rules},
	{"internal/nettest", Rules},
	{"internal/mention", Rules},
	{"internal/pagetoken", Rules},
	{"internal/seal", Rules},
	{"internal/searchindex", Rules},
	{"internal/tally", Rules},
	{"internal/textdiff", Rules},
	{"internal/thread", Rules},
	{"internal/tracecontext", Rules},
	{"internal/waittest", Rules},
	{"internal/webhookurl", Rules},

	{"sdk/go/...", Generated},
	{"api", Generated},

	// These do not depend on the server. Check enforces that for the conformance suite; the
	// generators are programs, which no package can import.
	{"conformance/...", Generated},
	{"internal/quickstart", Common},
	{"build/layers", Generated},
	{"build/orgs", Generated},
	{"build/repository", Generated},
	{"internal/call/protoc-gen-call/...", Common},
	{"internal/wire/protoc-gen-wire/...", Common},
	{"build/docsrun", Common},
	{"build/openapi", Common},
	{"build/restclient", Common},
	{"build/sdkfaults/...", Common},
	{"build/wireschema", Common},
}

// SameLayer lists the imports that are allowed between two packages of one layer.
var SameLayer = map[string][]string{
	"server":                           {"server/config"},
	"build/openapi":                    {"build/wireschema"},
	"build/restclient":                 {"build/wireschema"},
	"internal/call/protoc-gen-call":    {"build/wireschema"},
	"internal/wire/protoc-gen-wire":    {"build/wireschema"},
	"internal/call":                    {"internal/tracing"},
	"internal/concurrency":             {"internal/call"},
	"internal/metrics":                 {"internal/edge"},
	"internal/presence":                {"internal/node"},
	"internal/search":                  {"internal/node"},
	"internal/subscription":            {"internal/eventlog"},
	"internal/wire":                    {"internal/call"},
	"internal/store/storetest":         {"internal/store/sqlstore"}, // tests its Store on each database
	"internal/store/storetest/pgtest":  {"internal/store/sqlstore"}, // migrates a template for tests
	"internal/store/storetest/sqltest": {"internal/store/sqlstore"}, // opens databases for tests
}

// A Package is a package with its imports.
type Package struct {
	Path        string   // below the module; "" is the root of the module
	Program     bool     // package main, which nothing can import
	Imports     []string // of the code that is built into programs
	TestImports []string // of its tests, external test package included
}

// PlaceOf returns the place of a package, given its path below the module.
func PlaceOf(path string) (Place, bool) {
	var best Place
	for _, place := range Places {
		if within(path, place.Pattern) && len(place.Pattern) > len(best.Pattern) {
			best = place
		}
	}
	return best, best.Pattern != ""
}

// Check returns one sentence for each package that no pattern matches and for each import that
// is not allowed, in the order of the packages.
//
// Tests may import any layer, except the tests of the conformance suite and of the SDKs, which
// must work against any server.
func Check(packages []Package) []string {
	var faults []string
	for _, p := range packages {
		if _, ok := PlaceOf(p.Path); !ok {
			faults = append(faults, fmt.Sprintf("%s has no layer: add it to Places in build/layers/layers.go", p.Path))
			continue
		}
		for _, imported := range p.Imports {
			if why := refusal(p.Path, imported); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", p.Path, imported, why))
			}
		}
		for _, imported := range p.TestImports {
			if why := outsideRefusal(p.Path, imported); why != "" {
				faults = append(faults, fmt.Sprintf("the tests of %s import %s: %s", p.Path, imported, why))
			}
		}
	}
	return faults
}

// refusal returns the reason why code of the package from that is not a test may not import
// the path to, or "" if it may.
func refusal(from, to string) string {
	source, _ := PlaceOf(from)
	target, ours := strings.CutPrefix(to, Module+"/")
	if !ours {
		if source.Layer == Rules && strings.Contains(strings.Split(to, "/")[0], ".") {
			return "rules import the standard library and one another only"
		}
		return ""
	}
	if why := outsideRefusal(from, to); why != "" {
		return why
	}
	place, ok := PlaceOf(target)
	switch {
	case !ok:
		return "that package has no layer"
	case isVerb(from) && target != "internal/wire" && source.Pattern != place.Pattern && place.Layer > Generated && place.Layer != Rules:
		return "the verbs use the server through the SDK only"
	case place.Pattern == source.Pattern:
		return "" // within one subtree
	case within(target, "internal/store/storetest/..."):
		return "only tests import the test suite of the stores"
	case target == "server" && source.Layer != Commands:
		return "only commands import the server"
	case slices.Contains(SameLayer[from], target):
		return ""
	case within(target, "internal/store/sqlstore/...") && source.Layer != Server && source.Layer != Commands:
		return "only the server and commands choose the store implementation"
	case source.Layer == Rules && place.Layer == Rules:
		return ""
	case source.Layer == Rules:
		return "rules import the standard library and one another only"
	case place.Layer < source.Layer:
		return ""
	}
	return fmt.Sprintf("imports run downward only, and the layer of %s is not above that of %s", source.Pattern, place.Pattern)
}

// outsideRefusal is the part of [refusal] that applies to tests too.
func outsideRefusal(from, to string) string {
	target, ours := strings.CutPrefix(to, Module+"/")
	inServer := ours && (within(target, "server/...") || within(target, "internal/..."))
	switch {
	case within(from, "conformance/...") && ours && !within(target, "conformance/..."):
		return "the conformance suite imports no other package of this repository"
	case within(from, "sdk/...") && inServer:
		return "an SDK does not depend on the server"
	case from == "internal/quickstart" && inServer:
		return "the quickstart uses the server through the SDK only"
	case (from == "internal/mcp" || from == "internal/a2a") && inServer:
		return "the protocols for agents use the server through the SDK only"
	}
	return ""
}

// isVerb reports whether a package is one of the verbs of an agent's life, which are users of the SDK.
func isVerb(path string) bool {
	return within(path, "cmd/b2b/internal/cli/...") || within(path, "cmd/b2b/internal/runner/...") ||
		within(path, "cmd/b2b/internal/a2apeer/...")
}

// within reports whether a path matches a pattern of [Place].
func within(path, pattern string) bool {
	root, subtree := strings.CutSuffix(pattern, "/...")
	return path == root || subtree && strings.HasPrefix(path, root+"/")
}
