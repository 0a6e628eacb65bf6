package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/b2b-protocol/b2b/build/wireschema"
)

// read returns the content of a JSON file.
func read(t *testing.T, name string) any {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The parameters of an operation have different names, which the schema of OpenAPI cannot say.
func TestParametersAreUnique(t *testing.T) {
	t.Parallel()
	document := read(t, "../../api/openapi.json").(map[string]any)
	shared := document["components"].(map[string]any)["parameters"].(map[string]any)
	found := 0
	for path, operations := range document["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			seen := map[string]bool{}
			parameters, _ := operation.(map[string]any)["parameters"].([]any)
			for _, p := range parameters {
				parameter := p.(map[string]any)
				if ref, ok := parameter["$ref"].(string); ok {
					parameter = shared[filepath.Base(ref)].(map[string]any)
				}
				name := strings.ToLower(parameter["in"].(string) + " " + parameter["name"].(string))
				if seen[name] {
					t.Errorf("%s %s has the parameter %s twice", method, path, name)
				}
				seen[name] = true
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no parameter was found")
	}
}

// TestDocumentIsOpenAPI validates the document against the schema of the OpenAPI Initiative
// (testdata, Apache 2.0), and the schemas in it against JSON Schema, which the former does not
// check.
func TestDocumentIsOpenAPI(t *testing.T) {
	t.Parallel()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi", read(t, "testdata/openapi-3.1.schema.json")); err != nil {
		t.Fatal(err)
	}
	meta, err := c.Compile("openapi")
	if err != nil {
		t.Fatal(err)
	}
	document := read(t, "../../api/openapi.json")
	if err := meta.Validate(document); err != nil {
		t.Error(err)
	}
	if err := c.AddResource("document", document); err != nil {
		t.Fatal(err)
	}
	schemas := document.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
	for name := range schemas {
		if _, err := c.Compile("document#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
	delete(document.(map[string]any), "info")
	if meta.Validate(document) == nil {
		t.Error("a document without info is valid")
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Sends a message.": "Sends a message",
		"Sends a message; the first makes a channel.":  "Sends a message",
		"Lists bots, e.g. by name. At most 200.":       "Lists bots, e.g. by name",
		"One":                                          "One",
		"Opens a session; its id is in \"a.b\". More.": "Opens a session",
	} {
		if got := wireschema.Summary(text); got != want {
			t.Errorf("the summary of %q is %q, want %q", text, got, want)
		}
	}
	if got := wireschema.Pascal("thread_status_changed"); got != "ThreadStatusChanged" {
		t.Error(got)
	}
	if got := wireschema.Paragraphs("a", "", "b"); got != "a\n\nb" {
		t.Error(got)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	o := obj("b", 1, "a", "<&>").set("b", []string{"x"}).setIf("none", "")
	o.child("c").set("d", nil)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) || !strings.HasPrefix(string(text), `{"b":["x"],"a":`) || !strings.HasSuffix(string(text), `"c":{"d":null}}`) {
		t.Errorf("%s", text)
	}
}
