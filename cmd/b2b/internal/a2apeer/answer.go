package a2apeer

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	"github.com/b2b-protocol/b2b/internal/limits"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mostShown is how long the text of an artifact can be in a direct message; a longer one is a file.
const mostShown = 8 << 10

// outcome is how the end of a turn is put into words.
type outcome struct {
	title  string // before what the agent says; alone if it says nothing
	failed string // why the item has failed
	asks   bool
}

// outcomes has the states in which nothing more comes, but for completed.
var outcomes = map[a2a.TaskState]outcome{
	a2a.TaskStateInputRequired: {title: "The agent needs an answer to go on.", asks: true},
	a2a.TaskStateAuthRequired:  {title: "The agent needs an authorization to go on.", asks: true},
	a2a.TaskStateFailed:        {title: "The task has failed.", failed: "the agent says that its task has failed"},
	a2a.TaskStateRejected:      {title: "The agent has rejected the task.", failed: "the agent has rejected the task"},
	a2a.TaskStateCanceled:      {title: "The task was canceled.", failed: "the task was canceled at the agent"},
}

// answer returns what is said in the end.
func (v *visit) answer(ctx context.Context) (*runner.Answer, error) {
	last, err := v.turn.last(v.entry.messageID())
	if err != nil {
		return nil, err
	}
	a := &runner.Answer{}
	said := text(last)
	var texts []string
	if v.place.thread != "" {
		for _, artifact := range v.turn.artifacts {
			if err := v.write(ctx, artifact); err != nil {
				return nil, err
			}
		}
	} else if texts, err = v.show(ctx, a); err != nil {
		return nil, err
	}
	if err := v.attach(ctx, a, last); err != nil {
		return nil, err
	}
	if more := len(a.Parts) - limits.MaxParts + 1; more > 0 { // one is for a text that is too long
		a.Parts = a.Parts[:len(a.Parts)-more]
		v.note("%d more attachments have no room in a message.", more)
	}
	o := outcomes[v.turn.state]
	switch {
	case o.failed != "" && said != "":
		said = o.title + "\n\n" + said
	case v.turn.state == a2a.TaskStateAuthRequired && said != "":
		said = o.title + "\n\n" + said
	case said == "" && o.title != "":
		said = o.title
	case said == "" && len(v.keys) > 0:
		slices.Sort(v.keys)
		said = "Artifacts: " + strings.Join(slices.Compact(v.keys), ", ")
	}
	a.Text, a.Failed = join(append(append([]string{said}, texts...), v.notes...)), o.failed
	if o.asks {
		if err := v.ask(ctx, a); err != nil {
			return nil, err
		}
	}
	if terminal(v.turn.state) {
		v.entry.Written = nil // the task does not change any more
	}
	return a, v.save()
}

// ask blocks the thread until somebody answers. A decision is not answered with a question.
func (v *visit) ask(ctx context.Context, a *runner.Answer) error {
	if v.j.Decision() != nil {
		a.Failed = "the agent asks back before it decides"
	}
	set, err := v.place.set(ctx, b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED, v.entry.messageID())
	if err != nil {
		return &runner.Failure{Reason: "the thread could not be set to blocked", Err: err}
	}
	v.entry.Blocked = set
	return nil
}

// show returns the artifacts as texts of a direct message, and attaches the others to it.
func (v *visit) show(ctx context.Context, a *runner.Answer) (texts []string, err error) {
	for _, artifact := range v.turn.artifacts {
		for _, o := range artifact.outputs() {
			switch {
			case o.kind == b2bv1.ArtifactType_ARTIFACT_TYPE_LINK:
				a.Parts = append(a.Parts, linkOf(o.link, o.title))
			case o.file == nil && len(o.text) <= mostShown:
				texts = append(texts, join([]string{o.title, o.text}))
			default:
				p := piece{kind: rawPiece, data: o.file, media: o.media, name: o.name}
				if o.file == nil {
					p = piece{data: []byte(o.text), name: cmp.Or(o.title, o.key)}
				}
				if err := v.store(ctx, a, p); err != nil {
					return nil, err
				}
			}
		}
	}
	return texts, nil
}

// attach adds to an answer what a message of the agent has beside its text.
func (v *visit) attach(ctx context.Context, a *runner.Answer, pieces []piece) error {
	for _, p := range pieces {
		switch {
		case p.kind == linkPiece:
			a.Parts = append(a.Parts, linkOf(string(p.data), p.name))
		case p.kind == dataPiece && len(p.data) <= mostInline && (p.data[0] == '{' || p.data[0] == '['):
			a.Parts = append(a.Parts, &b2bv1.Part{Part: &b2bv1.Part_Json{Json: &b2bv1.JsonPart{Content: proto.String(string(p.data))}}})
		case p.kind == dataPiece && len(p.data) <= mostInline:
			v.note("%s", p.data)
		case p.kind != textPiece:
			if err := v.store(ctx, a, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// store attaches a piece as a file.
func (v *visit) store(ctx context.Context, a *runner.Answer, p piece) error {
	name, media := p.fileName("file"), p.fileType()
	file, err := v.place.upload(ctx, name, media, p.data)
	if unstorable(err) {
		v.note("The file %s (%d bytes) could not be stored (%s).", name, len(p.data), b2b.EnumText(b2b.CodeOf(err)))
		return nil
	}
	if err != nil {
		return &runner.Failure{Reason: "the files of the agent could not be stored", Err: err}
	}
	a.Parts = append(a.Parts, &b2bv1.Part{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{
		Url: proto.String(file.GetUrl()), Name: &name, MimeType: &media, Size: proto.Int64(file.GetSize()),
	}}})
	return nil
}

func linkOf(address, title string) *b2bv1.Part {
	return &b2bv1.Part{Part: &b2bv1.Part_Link{Link: &b2bv1.LinkPart{Url: &address, Title: given(title)}}}
}

func join(texts []string) string {
	texts = slices.DeleteFunc(texts, func(text string) bool { return strings.TrimSpace(text) == "" })
	return strings.Join(texts, "\n\n")
}
