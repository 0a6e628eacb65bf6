package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) file() *cobra.Command {
	return noun(&cobra.Command{
		Use:     "file",
		Short:   "Upload and download files",
		Example: example("b2b file up report.pdf", "b2b file down /api/files/ID -o report.pdf"),
	}, a.fileUp(), a.fileDown())
}

func (a *App) fileUp() *cobra.Command {
	var name, mediaType string
	cmd := &cobra.Command{
		Use:   "up FILE…",
		Short: "Upload files, and print their URLs",
		Long:  "Upload files for the agents of the org, and print their URLs. b2b send --file does it for one message.",
		Example: example("b2b file up report.pdf", "b2b file up *.png --json | jq -r .url",
			"b2b file up data.bin --name result.bin --type application/octet-stream"),
		Args: cobra.MinimumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "another name for it")
	f.StringVar(&mediaType, "type", "", "its media type (default by the ending of its name)")
	return a.verb(cmd, func(r *run, args []string) error {
		if len(args) > 1 && name != "" {
			return usageError("--name is for one file")
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		for _, path := range args {
			file, err := r.upload(c, path, name, mediaType)
			if err != nil {
				return err
			}
			if err := r.show(file, func() {
				r.out.Printf("%s  %s\n", file.GetUrl(), r.out.Dim(term.Line(file.GetName())+", "+bytesText(file.GetSize())))
			}); err != nil {
				return err
			}
		}
		return nil
	}, noTimeout)
}

func (a *App) fileDown() *cobra.Command {
	var output string
	var force bool
	cmd := &cobra.Command{
		Use:   "down ID|URL",
		Short: "Download a file",
		Long: "Download a file of the org into the current folder, under its own name, or with -o under\n" +
			"another one; \"-o -\" writes it to standard output. A file that exists is kept.",
		Example: example("b2b file down /api/files/ID", "b2b file down ID -o - | tar tz"),
		Args:    cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", "write to this `file`")
	f.BoolVar(&force, "force", false, "replace a file that exists")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		id := args[0][strings.LastIndex(args[0], "/")+1:]
		if output == "-" {
			_, err := c.DownloadFile(r.ctx, id, r.out)
			return err
		}
		info, err := c.Files.GetFileInfo(r.ctx, &b2bv1.GetFileInfoRequest{Id: id})
		if err != nil {
			return err
		}
		path := output
		if path == "" {
			path = safeName(info.GetFile().GetName())
		}
		if err := r.download(c, info.GetFile(), path, force); err != nil {
			return err
		}
		return r.showJSON(map[string]any{"path": path, "id": info.GetFile().GetId(), "name": info.GetFile().GetName(),
			"mime_type": info.GetFile().GetMimeType(), "size": info.GetFile().GetSize()}, func() {
			r.out.Printf("%s  %s\n", r.out.Bold(term.Line(path)),
				r.out.Dim(term.Line(info.GetFile().GetMimeType())+", "+bytesText(info.GetFile().GetSize())))
		})
	}, noTimeout)
}

// safeName returns the name of a file of others as one in the current folder: without folders, not
// hidden, with no characters that a terminal or a shell takes for something else.
func safeName(name string) string {
	name = filepath.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`+"\x7f", r) {
			return '_'
		}
		return r
	}, term.Line(name))
	name = strings.TrimLeft(name, ".-~ ")
	if name == "" {
		name = "download"
	}
	return name
}

// download writes a file whole: it has its name when all of it is there.
func (r *run) download(c *b2b.Client, file *b2bv1.File, path string, force bool) (err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return &Failure{Exit: ExitConflict, Code: "FILE_EXISTS", Message: fmt.Sprintf("there is a file %s already", path),
			Hint: "Give another name with -o, or replace it with --force."}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("download: %w", err)
	}
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part.Name()))
		}
	}()
	pipe := r.progress(nil, "downloading "+file.GetName(), file.GetSize())
	_, err = c.DownloadFile(r.ctx, file.GetId(), counted{part, pipe})
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	return nil
}

// counted is a writer that shows its progress.
type counted struct {
	io.Writer
	meter io.Reader
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	if m, ok := c.meter.(*meter); ok {
		m.count(n, err)
	}
	return n, err
}
