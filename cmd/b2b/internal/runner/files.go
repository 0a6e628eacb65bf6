package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mostFiles is how many attachments of an item are fetched.
const mostFiles = 20

var errTooLarge = errors.New("the file is too large")

// filePath finds the id of a file of the server in the address of an attachment, relative or absolute.
var filePath = regexp.MustCompile(`(?:^|//[^/?#]+)(?:/[^?#]*)?/api/files/([0-9a-fA-F-]{36})(?:[?#].*)?$`)

// fileID returns the id of a file of the server; empty if the address is of something else.
func fileID(url string) string {
	if m := filePath.FindStringSubmatch(url); m != nil {
		return m[1]
	}
	return ""
}

// fetch downloads the attachments of a message to a folder. What cannot be fetched is left out, and
// reported by note: the command sees its address.
func fetch(ctx context.Context, c *b2b.Client, i *Item, folder string, most int64, note func(name string, err error)) error {
	for _, p := range i.Parts {
		var url, name string
		switch k := p.GetPart().(type) {
		case *b2bv1.Part_File:
			url, name = k.File.GetUrl(), k.File.GetName()
		case *b2bv1.Part_Image:
			url, name = k.Image.GetUrl(), k.Image.GetAlt()
		}
		id := fileID(url)
		if id == "" {
			continue
		}
		if len(i.Files) == mostFiles {
			note(name, fmt.Errorf("there are more than %d files", mostFiles))
			return nil
		}
		f, err := fetchOne(ctx, c, id, folder, len(i.Files), name, most)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			note(name, err)
		default:
			i.Files = append(i.Files, *f)
		}
	}
	return nil
}

// fetchOne downloads a file under a name that is safe in a folder.
func fetchOne(ctx context.Context, c *b2b.Client, id, folder string, n int, name string, most int64) (*File, error) {
	path := filepath.Join(folder, fmt.Sprintf("%d-%s", n+1, safeName(name)))
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file: %w", err)
	}
	about, err := c.DownloadFile(ctx, id, &limitedWriter{out, most})
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &File{Path: path, Name: about.GetName(), Type: about.GetMimeType(), Size: about.GetSize(), of: id}, nil
}

// limitedWriter fails when more is written than it has left.
type limitedWriter struct {
	file *os.File
	left int64
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, errTooLarge
	}
	return w.file.Write(p)
}

const mostName = 80 // runes of the name of a file

// safeName returns a name that means the same file on every system, and nothing else: no path, no
// control characters, no leading dot.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		plain := unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._- ", r)
		if r < utf8.RuneSelf && !plain || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	name = strings.Trim(name, ". ")
	if runes := []rune(name); len(runes) > mostName { // the end has the extension
		name = strings.TrimLeft(string(runes[len(runes)-mostName:]), ". ")
	}
	if name == "" {
		return "file"
	}
	return name
}
