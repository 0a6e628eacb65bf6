package term

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Printer writes to a terminal or to a file. It keeps the first error of the writer.
type Printer struct {
	W     io.Writer
	Color bool
	// Width is how many columns a line has; 0: any number. Then times are absolute, too.
	Width int
	// Now is the time of the server, to which relative times refer.
	Now func() time.Time

	err error
}

// Err returns the first error of the writer.
func (p *Printer) Err() error { return p.err }

// Printf writes a formatted text. Its arguments have been escaped.
func (p *Printer) Printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.W, format, args...)
	}
}

// Write writes bytes as they are.
func (p *Printer) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.W.Write(b)
	p.err = err
	return n, err
}

// Bold, Dim, Green, Yellow, Red and Cyan return a text in that style, if the output has colours.
func (p *Printer) Bold(text string) string   { return p.style("1", text) }
func (p *Printer) Dim(text string) string    { return p.style("2", text) }
func (p *Printer) Red(text string) string    { return p.style("31", text) }
func (p *Printer) Green(text string) string  { return p.style("32", text) }
func (p *Printer) Yellow(text string) string { return p.style("33", text) }
func (p *Printer) Cyan(text string) string   { return p.style("36", text) }

func (p *Printer) style(code, text string) string {
	if !p.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Body writes a text of others, escaped, wrapped and indented.
func (p *Printer) Body(indent, text string) {
	most := 0
	if p.Width > 0 {
		most = max(p.Width-len(indent), 20)
	}
	for _, line := range Wrap(Escape(text), most) {
		p.Printf("%s\n", strings.TrimRight(indent+line, " "))
	}
}

// Time returns a time: relative to now on a terminal, else as text of RFC 3339 in UTC.
func (p *Printer) Time(t time.Time) string {
	if p.Width == 0 {
		return t.UTC().Format(time.RFC3339)
	}
	return Ago(p.Now(), t)
}

// Ago returns a time relative to another one. Times more than a week away are dates.
func Ago(now, t time.Time) string {
	d := now.Sub(t)
	future := d < 0
	if future {
		d = -d
	}
	var text string
	switch {
	case d < 10*time.Second:
		return "now"
	case d < time.Minute:
		text = fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		text = fmt.Sprintf("%d min", d/time.Minute)
	case d < 24*time.Hour:
		text = fmt.Sprintf("%d h", d/time.Hour)
	case d < 7*24*time.Hour:
		text = fmt.Sprintf("%d d", d/(24*time.Hour))
	default:
		return t.Local().Format("2006-01-02 15:04")
	}
	if future {
		return "in " + text
	}
	return text + " ago"
}

// Table writes rows in columns. On a terminal the last cell of a row is cut where the line ends. Its
// cells have been escaped; style gives a cell its style after its width is known.
func (p *Printer) Table(rows [][]string, style func(column int, cell string) string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Cells(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		at := 0
		for i, cell := range row {
			if i == len(row)-1 {
				if p.Width > 0 {
					cell = Cut(cell, max(p.Width-at, 10))
				}
				b.WriteString(style(i, cell))
				break
			}
			b.WriteString(style(i, cell))
			b.WriteString(strings.Repeat(" ", widths[i]-Cells(cell)+2))
			at += widths[i] + 2
		}
		p.Printf("%s\n", strings.TrimRight(b.String(), " "))
	}
}
