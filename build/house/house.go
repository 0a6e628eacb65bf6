// Package house holds the plan of this repository: which rooms there are, on which
// floor each lies, and which way imports may point.
//
// A room is a package or a subtree of packages. Its floor says what it may know:
// a package imports only from floors below its own, so that the rules of the
// protocol can be read without a database in sight, and a binding without the
// other bindings. The few arrows that are not about height have rules of their own
// in [Check].
//
// A new package fails the test of this package until it is given a room. That is
// on purpose: where something belongs is decided once, here.
package house

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the import path of the repository.
const Module = "github.com/b2b-protocol/b2b"

// A Floor is a height in the house. Imports run from a higher one to a lower one.
type Floor int

// The floors from the ground up.
const (
	Generated   Floor = iota // the schema as Go types
	Rules                    // decisions with no I/O
	Common                   // what every room above the rules shares
	Persistence              // the contract of the store
	Resources                // what is kept through that contract
	Services                 // the use cases
	Bindings                 // bytes to messages and back
	Edge                     // what stands before every binding
	Server                   // the wiring
	Commands                 // command trees
)

// A Room gives the packages under a pattern their floor.
type Room struct {
	// Pattern is an import path below the module. Ending in "/..." it also covers
	// every package under it; the longest pattern that fits a package is its room.
	Pattern string
	Floor   Floor
}

// Rooms is the plan. Packages outside it are refused.
var Rooms = []Room{
	{"cmd/b2b/...", Commands},
	{"bench", Commands},

	{"server", Server},
	{"server/config", Server},

	{"server/edge", Edge},

	{"server/rest", Bindings},
	{"server/rpc", Bindings},
	{"server/upkeep", Bindings},
	{"server/webhook", Bindings},
	{"server/ws", Bindings},

	{"server/service", Services},
	{"server/importer", Services},
	{"server/vault", Services},

	{"server/auth", Resources},
	{"server/eventlog/...", Resources},
	{"server/files/...", Resources},
	{"server/intake", Resources},
	{"server/presence", Resources},
	{"server/store/sqlstore/...", Resources},
	{"server/store/storetest/...", Resources},

	{"server/store", Persistence},

	{"server/call", Common},
	{"server/wire", Common},

	{"server/cursor", Rules},
	{"server/forwarded", Rules},
	{"server/fair", Rules},
	{"server/growth", Rules},
	{"server/jsonrepair", Rules},
	{"server/jstext", Rules},
	{"server/limits", Rules},
	{"server/mention", Rules},
	{"server/seal", Rules},
	{"server/tally", Rules},
	{"server/thread", Rules},
	{"server/webhookurl", Rules},

	{"sdk/go/...", Generated},
	{"api", Generated},

	// Outside the tower: these know nothing of the server. Check holds that for the
	// suite; the generators are programs, which nothing can import.
	{"conformance/...", Generated},
	{"quickstart", Common},
	{"build/house", Generated},
	{"server/call/protoc-gen-call/...", Common},
	{"server/wire/protoc-gen-wire/...", Common},
	{"build/openapi", Common},
}

// Beside lists the arrows that may run between two rooms of one floor.
var Beside = map[string][]string{
	"server":                         {"server/config"},
	"server/wire":                    {"server/call"},
	"server/store/storetest/pgtest":  {"server/store/sqlstore"}, // migrates a template for tests
	"server/store/storetest/sqltest": {"server/store/sqlstore"}, // opens databases for tests
}

// A Package is one node of the import graph.
type Package struct {
	Path        string   // below the module; "" is its root
	Imports     []string // by the code that ships
	TestImports []string // by its tests, in the package or beside it
}

// RoomOf finds the room of a package by its path below the module.
func RoomOf(path string) (Room, bool) {
	var best Room
	for _, room := range Rooms {
		if within(path, room.Pattern) && len(room.Pattern) > len(best.Pattern) {
			best = room
		}
	}
	return best, best.Pattern != ""
}

// Check returns one sentence for each package without a room and for each import
// that points the wrong way, in the order of the packages.
//
// Tests may reach up and across, since they put rooms together; but not those of
// the conformance suite and of the SDKs, which must hold against any server.
func Check(packages []Package) []string {
	var faults []string
	for _, p := range packages {
		if _, ok := RoomOf(p.Path); !ok {
			faults = append(faults, fmt.Sprintf("%s has no room: place it in Rooms of build/house", p.Path))
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

// refusal says why shipping code of the package from may not import the path to,
// or is empty.
func refusal(from, to string) string {
	source, _ := RoomOf(from)
	target, ours := strings.CutPrefix(to, Module+"/")
	if !ours {
		if source.Floor == Rules && strings.Contains(strings.Split(to, "/")[0], ".") {
			return "rules import the standard library and one another only"
		}
		return ""
	}
	if why := outsideRefusal(from, to); why != "" {
		return why
	}
	room, ok := RoomOf(target)
	switch {
	case !ok:
		return "it has no room"
	case room.Pattern == source.Pattern:
		return "" // within one subtree
	case within(target, "server/store/storetest/..."):
		return "only tests import the suite of the stores"
	case target == "server" && source.Floor != Commands:
		return "only commands import the server"
	case slices.Contains(Beside[from], target):
		return ""
	case within(target, "server/store/sqlstore/...") && source.Floor != Server && source.Floor != Commands:
		return "only the wiring knows which store it is"
	case source.Floor == Rules && room.Floor == Rules:
		return ""
	case source.Floor == Rules:
		return "rules import the standard library and one another only"
	case room.Floor < source.Floor:
		return ""
	}
	return fmt.Sprintf("imports run downward only, from %s to %s they do not", source.Pattern, room.Pattern)
}

// outsideRefusal holds what binds tests too.
func outsideRefusal(from, to string) string {
	target, ours := strings.CutPrefix(to, Module+"/")
	inServer := ours && within(target, "server/...")
	switch {
	case within(from, "conformance/...") && ours && !within(target, "conformance/..."):
		return "the conformance suite sees only bytes"
	case within(from, "sdk/...") && inServer:
		return "an SDK knows nothing of one server"
	case within(from, "quickstart") && inServer:
		return "the quickstart sees the server as any agent does"
	}
	return ""
}

// within tells whether a path fits a pattern of [Room].
func within(path, pattern string) bool {
	root, subtree := strings.CutSuffix(pattern, "/...")
	return path == root || subtree && strings.HasPrefix(path, root+"/")
}
