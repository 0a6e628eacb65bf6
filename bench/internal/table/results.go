package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
)

// Results are the rows of a run with what they were measured on.
type Results struct {
	Version  string  `json:"version"`  // of the server
	Measured string  `json:"measured"` // RFC 3339
	Machine  Machine `json:"machine"`
	Rows     []Row   `json:"rows"`
}

// Machine describes a machine.
type Machine struct {
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	MemoryGB  float64 `json:"memory_gb"`
	System    string  `json:"system"`
	Go        string  `json:"go"`
}

// Read reads results from a file.
func Read(path string) (Results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Results{}, fmt.Errorf("read results: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var r Results
	if err := decoder.Decode(&r); err != nil {
		return Results{}, fmt.Errorf("read results from %s: %w", path, err)
	}
	for _, row := range r.Rows {
		if err := row.check(); err != nil {
			return Results{}, fmt.Errorf("read results from %s: %w", path, err)
		}
	}
	return r, nil
}

// WriteFile writes results to a file. Rows that the file has and r lacks stay if the file is of the
// same version and machine, so that a file can be completed by several runs.
func (r Results) WriteFile(path string) error {
	switch old, err := Read(path); {
	case err == nil && old.Version == r.Version && old.Machine == r.Machine:
		rows := old.Rows
		for _, row := range r.Rows {
			rows = Put(rows, row)
		}
		r.Rows = rows
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	r.Rows = slices.Clone(r.Rows)
	for i, row := range r.Rows {
		r.Rows[i].Ours, r.Rows[i].Floor = rounded(row.Ours), rounded(row.Floor)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	text = append(bytes.ReplaceAll(text, []byte(`{"name"`), []byte("\n"+`{"name"`)), '\n') // a row a line
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// rounded returns the values with four digits that count.
func rounded(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		digits := max(0, 3-int(math.Floor(math.Log10(max(v, 1e-9)))))
		scale := math.Pow10(digits)
		out[i] = math.Round(v*scale) / scale
	}
	return out
}
