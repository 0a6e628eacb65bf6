package capacity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Read reads coefficients from a file.
func Read(path string) (c Coefficients, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read coefficients: %w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, fmt.Errorf("read coefficients from %s: %w", path, err)
	}
	return c, nil
}

// WriteFile writes coefficients to a file.
func (c Coefficients) WriteFile(path string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode coefficients: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write coefficients: %w", err)
	}
	return nil
}

// Describe prints the coefficients.
func (c Coefficients) Describe(out io.Writer) {
	fmt.Fprintf(out, "Version %s on %s (floor of direct messages: %.0f a second), %s\n\n", c.Version, c.Processor, c.Direct, c.Measured)
	fmt.Fprintln(out, "| µs of processor time | SQLite: node | PostgreSQL: node | PostgreSQL itself |")
	fmt.Fprintln(out, "|---|---|---|---|")
	var kinds []string
	for kind := range c.SQLite.Operations {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		a, b := c.SQLite.Operations[kind], c.Postgres.Operations[kind]
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.0f |\n", kind, a.Server, b.Server, b.Database)
	}
	fmt.Fprintf(out, "| a second without a call | %.0f | %.0f | %.0f |\n", c.SQLite.Idle.Server, c.Postgres.Idle.Server, c.Postgres.Idle.Database)
	fmt.Fprintf(out, "| delivery of an event to a connection | %.0f | %.0f | |\n", c.SQLite.Delivery, c.Postgres.Delivery)
	fmt.Fprintf(out, "| write of another node | | %.0f | |\n\n", c.Postgres.Follow)
	fmt.Fprintln(out, "| | SQLite | PostgreSQL |")
	fmt.Fprintln(out, "|---|---|---|")
	fmt.Fprintf(out, "| bytes of a message | %.0f | %.0f |\n", c.SQLite.Bytes, c.Postgres.Bytes)
	fmt.Fprintf(out, "| bytes in the write-ahead log | | %.0f |\n", c.Postgres.Log)
	fmt.Fprintf(out, "| highest rate of writes measured | %.0f | %.0f |\n", c.SQLite.Writes, c.Postgres.Writes)
	m := c.Memory
	fmt.Fprintf(out, "\nMemory: a node %.0f MB and %.0f MB when busy; a connection %.1f KB, a bot %.1f KB, a thread %.1f KB.\n\n", m.Node, m.Working, m.Connection, m.Bot, m.Thread)
}

// Table prints a plan for each demand.
func (c Coefficients) Table(out io.Writer, demands []Demand, m Machine) error {
	fmt.Fprintln(out, "| bots | messages a day | operations/s in the peak | database | nodes | cores of the nodes | cores of PostgreSQL | memory of a node | disk a year | limit |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	for _, d := range demands {
		p, err := c.For(d, m)
		if errors.Is(err, ErrWall) {
			fmt.Fprintf(out, "| %s | %s | %s | several PostgreSQL | | | | | | %s |\n", count(float64(d.Bots)), count(d.MessagesPerDay), count(p.Operations), p.Wall)
			continue
		}
		if err != nil {
			return err
		}
		database := "–"
		if p.Database == "PostgreSQL" {
			database = fmt.Sprintf("%.0f", ceil(p.DatabaseCores/m.Busy))
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %d | %.0f | %s | %s MB | %s GB | %s |\n", count(float64(d.Bots)), count(d.MessagesPerDay), count(p.Operations),
			p.Database, p.Nodes, float64(p.Nodes)*ceil(p.ServerCores/m.Busy/float64(p.Nodes)), database, count(p.NodeMemory), count(p.DiskGB/d.Days*365), p.Wall)
	}
	return nil
}

// count formats a number with commas between thousands, small ones with one decimal.
func count(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
