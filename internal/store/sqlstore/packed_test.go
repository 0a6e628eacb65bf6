package sqlstore

import (
	"database/sql"
	"strings"
	"testing"
)

// Every text comes back from a column with packed ids, in Go and in SQLite.
func TestPackedIDs(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	d := &dialect{database: forSQLite}
	const uuid = "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f6"
	for _, c := range []struct {
		id     string
		packed bool
	}{
		{uuid, true}, {"00000000-0000-0000-0000-000000000000", true},
		{"0199F0A1-2b3c-7d4e-8f50-a1b2c3d4e5f6", false}, {"0199f0a12b3c7d4e8f50a1b2c3d4e5f6", false},
		{"0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5fg", false}, {"0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e-f6", false},
		{uuid + "0", false}, {"", false}, {"any text", false},
	} {
		arg := d.packed(&c.id)
		if _, ok := arg.([]byte); ok != c.packed {
			t.Errorf("%q is packed: %v", c.id, ok)
		}
		var got *string
		var text string
		if err := db.QueryRow("SELECT p, "+unpackedID("p")+" FROM (SELECT ? AS p)", arg).Scan(packedID{&got}, &text); err != nil {
			t.Fatal(err)
		}
		if got == nil || *got != c.id || text != c.id {
			t.Errorf("%q comes back as %v and %q", c.id, got, text)
		}
		if arg := (&dialect{database: forPostgres}).packed(&c.id); arg != c.id {
			t.Errorf("%q is %v in PostgreSQL", c.id, arg)
		}
	}
	if d.packed(nil) != nil {
		t.Error("no id is packed")
	}
	id := "kept"
	p := &id
	if err := (packedID{&p}).Scan(nil); err != nil || p != nil {
		t.Error("NULL is an id")
	}
	if err := (packedID{&p}).Scan([]byte{1}); err == nil {
		t.Error("one byte is an id")
	}
}

// A packed JSON text comes back, whatever it has.
func FuzzPackText(f *testing.F) {
	const uuid = "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f6"
	for _, text := range []string{
		`{"thread_id":"` + uuid + `"}`, `{"a":"` + uuid + `","b":"` + uuid + `","c":"` + uuid[:35] + `g"}`, `"` + uuid, uuid + `"`, `"` + uuid + `"`,
		`{"long":"` + strings.Repeat(uuid, 3) + `"}`, "", `"`, "{}", "\x01\"" + uuid + `"`, `["` + uuid + `",1]`,
	} {
		f.Add(text)
	}
	d := &dialect{database: forSQLite}
	f.Fuzz(func(t *testing.T, json string) {
		arg := d.packedText(&json)
		var got *string
		if err := (packedText{text{&got}}).Scan(arg); err != nil || got == nil || *got != json {
			t.Errorf("%q comes back as %v: %v", json, got, err)
		}
		if b, ok := arg.([]byte); ok && len(b) >= len(json) {
			t.Errorf("%q is packed in %d bytes", json, len(b))
		}
	})
}

func TestPackText(t *testing.T) {
	t.Parallel()
	const uuid = "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f6"
	for text, want := range map[string]int{
		`{"channel_id":"` + uuid + `","to":"` + uuid + `"}`: 25 + 2*(1+uuidBytes), `{"a":1}`: 0, "\x01" + `"` + uuid + `"`: 0,
	} {
		if got := len(packText(text)); got != want {
			t.Errorf("%s is packed in %d bytes, want %d", text, got, want)
		}
	}
	if _, err := unpackText([]byte{'"', packedUUID, 1, 2}); err == nil {
		t.Error("half an id is unpacked")
	}
	var dest *string
	if err := (packedText{text{&dest}}).Scan(nil); err != nil || dest != nil {
		t.Errorf("NULL is %v, %v", dest, err)
	}
}
