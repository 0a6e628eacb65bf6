package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	"github.com/b2b-protocol/b2b/internal/textdiff"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) artifact() *cobra.Command {
	return noun(&cobra.Command{
		Use:   "artifact",
		Short: "Share versioned results in threads: put, get, diff, …",
		Example: example("b2b artifact put THREAD report --file report.txt", "b2b artifact get THREAD report >report.txt",
			"b2b artifact diff THREAD report"),
	}, a.artifactPut(), a.artifactGet(), a.artifactList(), a.artifactVersions(), a.artifactDiff())
}

// languages are the types of artifacts by the endings of files; a language is source code.
var languages = map[string]string{
	".go": "go", ".py": "python", ".js": "javascript", ".jsx": "javascript", ".ts": "typescript", ".tsx": "typescript",
	".rs": "rust", ".java": "java", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".rb": "ruby", ".sh": "bash",
	".sql": "sql", ".diff": "diff", ".patch": "diff", ".html": "html", ".css": "css", ".yaml": "yaml", ".yml": "yaml",
	".toml": "toml", ".xml": "xml", ".proto": "proto",
}

// kindOf returns the type and language of an artifact by the name of its file.
func kindOf(path string) (b2bv1.ArtifactType, *string) {
	switch ending := strings.ToLower(filepath.Ext(path)); ending {
	case ".md", ".markdown":
		return b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN, nil
	case ".json":
		return b2bv1.ArtifactType_ARTIFACT_TYPE_JSON, nil
	default:
		if language, ok := languages[ending]; ok {
			return b2bv1.ArtifactType_ARTIFACT_TYPE_CODE, &language
		}
	}
	return b2bv1.ArtifactType_ARTIFACT_TYPE_TEXT, nil
}

func (a *App) artifactPut() *cobra.Command {
	var file, kind, title, language, url, settles string
	cmd := &cobra.Command{
		Use:   "put THREAD KEY [TEXT… | -]",
		Short: "Write an artifact: the first version, or the next one",
		Long: "Write an artifact of a thread. If it does not exist, this is version 1, else the next version.\n" +
			"Without a text or --file it is read from standard input.",
		Example: example("b2b artifact put THREAD report --file report.txt --title \"Q4 report\"",
			"git diff | b2b artifact put THREAD patch --type code --language diff",
			"b2b artifact put THREAD ticket --type link --url https://example.org/1"),
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeArtifacts,
	}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "the text is in this `file`; its name tells the type")
	f.StringVar(&kind, "type", "", "text, markdown, json, code, file or link (default by the name of the file, or text)")
	f.StringVar(&title, "title", "", "its title; an artifact that exists keeps its own without this")
	f.StringVar(&language, "language", "", "the programming language")
	f.StringVar(&url, "url", "", "its URL, for the types file and link")
	f.StringVar(&settles, "settles", "", "settle a delivery together with it: `ID:LEASE` of b2b wait")
	return a.verb(cmd, func(r *run, args []string) error {
		req := &b2bv1.AddArtifactRequest{ThreadId: args[0], ArtifactKey: &args[1], Title: given(title), Url: given(url)}
		if kindFound, lang := kindOf(file); file != "" {
			req.Type, req.Language = kindFound.Enum(), lang
		}
		if kind != "" {
			v, err := enumOf[b2bv1.ArtifactType]("--type", kind)
			if err != nil {
				return err
			}
			req.Type = &v
		}
		if language != "" {
			req.Language = &language
		}
		if settles != "" {
			id, lease, err := taken([]string{settles})
			if err != nil {
				return err
			}
			req.Settles = &b2bv1.Settles{DeliveryId: &id, Lease: &lease}
		}
		if file != "" || url == "" || len(args) > 2 {
			content, err := r.content(file, args[2:])
			if err != nil {
				return err
			}
			req.Content = &content
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		v, err := put(r, c, req)
		if err != nil {
			return err
		}
		return r.show(v, func() {
			r.out.Printf("%s is at version %d.\n", r.out.Bold(term.Line(v.GetArtifactKey())), v.GetVersion())
			if v.GetFormatWarning() {
				r.note("It is no valid JSON, so it was stored as text.")
			}
		})
	})
}

// content reads the text of an artifact.
func (r *run) content(file string, words []string) (string, error) {
	if file == "" {
		return r.input(words, "text")
	}
	if len(words) > 0 {
		return "", usageError("the text is in --file and in the arguments: give one of them")
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("read the artifact: %w", err)
	}
	if info.Size() > mostInput {
		return "", usageError("%s has more than %d bytes: upload it (b2b file up) and put a link to it (--type file --url …)", file,
			mostInput)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the artifact: %w", err)
	}
	if !utf8.Valid(text) {
		return "", usageError("%s is no text: upload it (b2b file up) and put a link to it (--type file --url …)", file)
	}
	return string(text), nil
}

// put writes the first version of an artifact, or the next one.
func put(r *run, c *b2b.Client, req *b2bv1.AddArtifactRequest) (*b2bv1.Artifact, error) {
	res, err := c.Artifacts.AddArtifact(r.ctx, req)
	if b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_CONFLICT {
		return res.GetArtifact(), err
	}
	if req.Content == nil {
		return nil, withHint(err, "The artifact exists, and its URL cannot change: choose another key.")
	}
	next := &b2bv1.UpdateArtifactRequest{ThreadId: req.GetThreadId(), ArtifactKey: req.GetArtifactKey(), Content: req.Content,
		Settles:    req.Settles,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"content"}}}
	if req.Title != nil {
		next.Title, next.UpdateMask.Paths = req.Title, []string{"content", "title"}
	}
	updated, err := c.Artifacts.UpdateArtifact(r.ctx, next)
	return updated.GetArtifact(), err
}

// version returns a version of an artifact; 0: the latest.
func version(r *run, c *b2b.Client, thread, key string, number int) (*b2bv1.Artifact, error) {
	if number == 0 {
		for v, err := range c.EachArtifact(r.ctx, &b2bv1.ListArtifactsRequest{ThreadId: thread, Limit: proto.Int32(mostPage)}) {
			if err != nil {
				return nil, err
			}
			if v.GetArtifactKey() == key {
				return v, nil
			}
		}
		return nil, notThere("the thread has no artifact %q", "%s lists them.", r, thread, key)
	}
	res, err := c.Artifacts.ListArtifactVersions(r.ctx, &b2bv1.ListArtifactVersionsRequest{
		ThreadId: thread, ArtifactKey: key, Limit: proto.Int32(1), Cursor: proto.String(strconv.Itoa(number - 1)),
	})
	if err != nil {
		return nil, err
	}
	for _, v := range res.GetArtifacts() {
		if int(v.GetVersion()) == number {
			return v, nil
		}
	}
	return nil, notThere(fmt.Sprintf("the artifact %%q has no version %d", number), "%s lists what the thread has.", r, thread,
		key)
}

func notThere(message, hint string, r *run, thread, key string) error {
	return &Failure{Exit: ExitNotFound, Code: "NOT_FOUND", Message: fmt.Sprintf(message, key),
		Hint: fmt.Sprintf(hint, r.b2b("artifact list %s", thread))}
}

func (a *App) artifactGet() *cobra.Command {
	var number int
	cmd := &cobra.Command{
		Use:               "get THREAD KEY",
		Short:             "Print an artifact",
		Long:              "Print the text of an artifact, or its URL if it has no text. Into a file or a pipe it is written as it is.",
		Example:           example("b2b artifact get THREAD report >report.txt", "b2b artifact get THREAD report --version 1"),
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeArtifacts,
	}
	cmd.Flags().IntVar(&number, "version", 0, "the `number` of the version (default the latest)")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		v, err := version(r, c, args[0], args[1], number)
		if err != nil {
			return err
		}
		return r.show(v, func() {
			text := v.GetContent()
			if v.Content == nil {
				text = v.GetUrl() + "\n"
			}
			if r.out.Width > 0 {
				r.out.Body("", strings.TrimSuffix(text, "\n"))
				return
			}
			r.out.Printf("%s", text)
		})
	}, paged)
}

func (a *App) artifactList() *cobra.Command {
	var l limited
	cmd := &cobra.Command{
		Use:               "list THREAD",
		Short:             "List the artifacts of a thread",
		Example:           example("b2b artifact list THREAD", "b2b artifact list THREAD --json | jq -r .artifact_key"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeThreads,
	}
	cmd.Flags().IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachArtifact(r.ctx, &b2bv1.ListArtifactsRequest{ThreadId: args[0], Limit: l.page()}),
			func(all []*b2bv1.Artifact) {
				r.artifacts(c, all)
			}, "The thread has no artifacts.")
	}, paged)
}

func (a *App) artifactVersions() *cobra.Command {
	var l limited
	cmd := &cobra.Command{
		Use:               "versions THREAD KEY",
		Short:             "List the versions of an artifact",
		Example:           example("b2b artifact versions THREAD report"),
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeArtifacts,
	}
	cmd.Flags().IntVar(&l.limit, "limit", usualLimit, "how many at most, the oldest")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		all := c.EachArtifactVersion(r.ctx, &b2bv1.ListArtifactVersionsRequest{ThreadId: args[0], ArtifactKey: args[1],
			Limit: l.page()})
		return list(r, &l, all, func(all []*b2bv1.Artifact) { r.artifacts(c, all) }, "The thread has no such artifact.")
	}, paged)
}

// artifacts writes a table of artifacts or versions.
func (r *run) artifacts(c *b2b.Client, all []*b2bv1.Artifact) {
	who := r.names(c)
	var rows [][]string
	for _, v := range all {
		rows = append(rows, []string{v.GetArtifactKey(), fmt.Sprintf("v%d", v.GetVersion()), b2b.EnumText(v.GetType()),
			r.out.Time(v.GetCreatedAt().AsTime()), term.Line(who.of(v.GetContributorId())), term.Line(v.GetTitle())})
	}
	r.out.Table(rows, func(column int, cell string) string {
		switch column {
		case 0:
			return r.out.Bold(cell)
		case 3:
			return r.out.Dim(cell)
		}
		return cell
	})
}

func (a *App) artifactDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff THREAD KEY [FROM [TO]]",
		Short: "Show what changed between two versions of an artifact",
		Long: "Show what changed between two versions of an artifact, in the format of diff and patch: the last\n" +
			"change, what changed since version FROM, or from FROM to TO.",
		Example:           example("b2b artifact diff THREAD report", "b2b artifact diff THREAD report 1 3"),
		Args:              cobra.RangeArgs(2, 4),
		ValidArgsFunction: a.completeArtifacts,
	}
	return a.verb(cmd, func(r *run, args []string) error {
		var numbers [2]int
		for i, text := range args[2:] {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return usageError("%q is no number of a version", text)
			}
			numbers[i] = n
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		to, err := version(r, c, args[0], args[1], numbers[1])
		if err != nil {
			return err
		}
		from := &b2bv1.Artifact{}
		if numbers[0] == 0 {
			numbers[0] = int(to.GetVersion()) - 1
		}
		if numbers[0] > 0 {
			if from, err = version(r, c, args[0], args[1], numbers[0]); err != nil {
				return err
			}
		}
		name := func(v *b2bv1.Artifact) string { return fmt.Sprintf("%s v%d", args[1], v.GetVersion()) }
		diff := textdiff.Unified(name(from), name(to), from.GetContent(), to.GetContent())
		return r.showJSON(map[string]any{"thread_id": args[0], "artifact_key": args[1], "from": from.GetVersion(),
			"to": to.GetVersion(), "diff": diff},
			func() { r.diff(diff) })
	}, paged)
}

// diff writes a difference: in colours on a terminal, else as it is, for patch.
func (r *run) diff(diff string) {
	if diff == "" {
		r.note("There is no difference.")
		return
	}
	if r.out.Width == 0 {
		r.out.Printf("%s", diff)
		return
	}
	for line := range strings.Lines(diff) {
		line = term.Line(strings.TrimSuffix(line, "\n"))
		switch line[:1] {
		case "+":
			line = r.out.Green(line)
		case "-":
			line = r.out.Red(line)
		case "@":
			line = r.out.Cyan(line)
		}
		r.out.Printf("%s\n", line)
	}
}
