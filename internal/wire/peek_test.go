package wire

import "testing"

func TestPeek(t *testing.T) {
	t.Parallel()
	values, object, err := Peek([]byte(` {"type" : "\u0061b", "x":{"type":1},"ref":[1, {}] ,"ref":0} `), "type", "ref", "none")
	if err != nil || !object {
		t.Fatal(object, err)
	}
	if text, ok := Text(values[0]); !ok || text != "ab" {
		t.Errorf("type is %q, %v", text, ok)
	}
	if string(values[1]) != "0" || values[2] != nil {
		t.Errorf("ref is %q, none %q", values[1], values[2])
	}
	if _, ok := Text(values[1]); ok {
		t.Error("a number is a text")
	}
	for _, other := range []string{"null", " 1", `"x"`, "[]", "true"} {
		if _, object, err := Peek([]byte(other), "type"); err != nil || object {
			t.Errorf("%s: %v, %v", other, object, err)
		}
	}
	for _, bad := range []string{"", " ", "{", "x", "{} x", "\xff", `{"a":1,}`} {
		if _, _, err := Peek([]byte(bad), "type"); err == nil {
			t.Errorf("%q is taken for JSON", bad)
		}
	}
}
