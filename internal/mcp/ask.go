package mcp

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type askIn struct {
	Action   string   `json:"action,omitempty" jsonschema:"ask (default); check: the state; answer: one you are asked for; withdraw: yours; list: those you are asked for"`
	Thread   string   `json:"thread,omitempty" jsonschema:"ask: where"`
	Question string   `json:"question,omitempty" jsonschema:"ask: with all that is needed to decide"`
	Kind     string   `json:"kind,omitempty" jsonschema:"ask: approve (yes or no, default), choose, input (free text)"`
	Choices  []string `json:"choices,omitempty" jsonschema:"ask, choose: the answers"`
	Agents   []string `json:"agents,omitempty" jsonschema:"ask: participants who may answer, instead of people"`
	Default  string   `json:"default,omitempty" jsonschema:"ask: the answer if nobody gives one in time"`
	Expires  int32    `json:"expires_in_s,omitempty" jsonschema:"ask: when it expires"`
	Blocks   bool     `json:"blocks,omitempty" jsonschema:"ask: the thread is blocked until it is decided"`
	Wait     int32    `json:"wait_s,omitempty" jsonschema:"ask, check: seconds to wait for the answer, 0 to 240"`
	Decision string   `json:"decision,omitempty" jsonschema:"check, answer, withdraw: its id"`
	Answer   string   `json:"answer,omitempty" jsonschema:"answer: approved, rejected, a choice or text"`
	Comment  string   `json:"comment,omitempty" jsonschema:"answer: why"`
}

type decisionOut struct {
	ID      string   `json:"id"`
	Thread  string   `json:"thread,omitempty"`
	Kind    string   `json:"kind"`
	Status  string   `json:"status"`
	Asker   string   `json:"asker"`
	Text    string   `json:"question"`
	Choices []string `json:"choices,omitempty"`
	Answer  string   `json:"answer,omitempty"`
	Comment string   `json:"comment,omitempty"`
	Expires string   `json:"expires,omitempty"`
}

type decisionsOut struct {
	Decisions []decisionOut `json:"decisions"`
}

func askTool() tool {
	ask := &b2bv1.AskThreadDecisionRequest{}
	s := inputOf[askIn]([]field{
		{"question", ask, "question"}, {"kind", ask, "kind"}, {"choices", ask, "choices"}, {"agents", ask, "bots"}, {"expires_in_s", ask, "expires_in"},
		{"comment", &b2bv1.AnswerDecisionRequest{}, "comment"},
	}, []enum{{"action", []string{"ask", "check", "answer", "withdraw", "list"}}})
	s.Properties["wait_s"].Minimum, s.Properties["wait_s"].Maximum = new(0.0), new(longWait.Seconds())
	return with(tool{
		name: "ask", title: "Ask for a decision", effect: adds, needs: []proto.Message{&b2bv1.AnswerDecisionRequest{}},
		text: "Asks people (or agents) of a thread for a decision: before what cannot be undone, costs, or is not yours to decide. " +
			"Returns the answer if it comes within wait_s; otherwise wait returns it later.",
	}, s, decide)
}

func decide(ctx context.Context, c *call, in askIn) error {
	decisions := c.Client.Decisions
	if in.Decision == "" && in.Action != "" && in.Action != "ask" && in.Action != "list" {
		return invalid("decision: is required, its id")
	}
	switch in.Action {
	case "check":
		return c.await(ctx, in.Decision, in.Wait)
	case "answer":
		res, err := decisions.AnswerDecision(ctx, &b2bv1.AnswerDecisionRequest{Id: in.Decision, Answer: text(in.Answer), Comment: text(in.Comment)})
		return c.decided(res.GetDecision(), err)
	case "withdraw":
		res, err := decisions.WithdrawDecision(ctx, &b2bv1.WithdrawDecisionRequest{Id: in.Decision})
		return c.decided(res.GetDecision(), err)
	case "list":
		res, err := decisions.ListDecisions(ctx, &b2bv1.ListDecisionsRequest{
			AskedOf: b2bv1.DecisionParty_DECISION_PARTY_ME.Enum(), Status: b2bv1.DecisionStatus_DECISION_STATUS_OPEN.Enum(),
		})
		if err != nil {
			return err
		}
		return c.decisions(res.GetItems())
	}
	req := &b2bv1.AskThreadDecisionRequest{
		ThreadId: in.Thread, Question: text(in.Question), Humans: len(in.Agents) == 0, Default: text(in.Default), Blocks: in.Blocks,
		Kind: b2bv1.DecisionKind_DECISION_KIND_APPROVE.Enum(),
	}
	if in.Kind != "" {
		req.Kind = b2bv1.DecisionKind(enumNumber(req.GetKind().Descriptor(), in.Kind)).Enum()
	}
	if len(in.Choices) > 0 {
		req.Choices = &b2bv1.StringList{Values: in.Choices}
	}
	if len(in.Agents) > 0 {
		req.Bots = &b2bv1.StringList{}
		for _, name := range in.Agents {
			req.Bots.Values = append(req.Bots.Values, strings.TrimPrefix(name, "@"))
		}
	}
	if in.Expires > 0 {
		req.ExpiresIn = &in.Expires
	}
	res, err := decisions.AskThreadDecision(ctx, req)
	if err != nil || in.Wait == 0 {
		return c.decided(res.GetDecision(), err)
	}
	return c.await(ctx, res.GetDecision().GetId(), in.Wait)
}

// lookAgain is how often a decision is looked up while a call waits for it.
const lookAgain = time.Second

// await returns a decision when it is closed, or after a time.
func (c *call) await(ctx context.Context, id string, seconds int32) error {
	ctx, stop := requestOf(ctx).while(ctx)
	defer stop()
	begun, beats := time.Now(), 0
	limit := min(c.patience(), time.Duration(seconds)*time.Second)
	for {
		res, err := c.Client.Decisions.GetDecision(ctx, &b2bv1.GetDecisionRequest{Id: id})
		if err != nil {
			return err
		}
		spent := time.Since(begun)
		if res.GetDecision().GetStatus() != b2bv1.DecisionStatus_DECISION_STATUS_OPEN || spent >= limit {
			return c.decided(res.GetDecision(), nil)
		}
		if int(spent/heartbeat) > beats {
			beats++
			if err := c.progress(ctx, beats, "waiting for the answer"); err != nil {
				return err
			}
		}
		if err := sleep(ctx, lookAgain); err != nil {
			return err
		}
	}
}

func (c *call) decided(d *b2bv1.Decision, err error) error {
	if err != nil {
		return err
	}
	return c.decisions([]*b2bv1.Decision{d})
}

func (c *call) decisions(all []*b2bv1.Decision) error {
	out := decisionsOut{Decisions: []decisionOut{}}
	for _, d := range all {
		shown := decisionOut{
			ID: d.GetId(), Thread: d.GetThreadId(), Kind: b2b.EnumText(d.GetKind()), Status: b2b.EnumText(d.GetStatus()),
			Asker: clean(d.GetAsker().GetName()), Expires: timeOut(d.GetExpiresAt()),
		}
		shown.Text, _ = c.take(d.GetQuestion(), messageBytes)
		shown.Answer, _ = c.take(d.GetAnswer(), messageBytes)
		shown.Comment, _ = c.take(d.GetComment(), messageBytes)
		for _, choice := range d.GetChoices() {
			choice, _ = c.take(choice, mostInline)
			shown.Choices = append(shown.Choices, choice)
		}
		out.Decisions = append(out.Decisions, shown)
		c.line("decision=%s %s: %s", shown.ID, shown.Kind, shown.Status)
		c.body(decisionLine(d))
	}
	if len(all) == 0 {
		c.line("You are not asked for a decision.")
	}
	c.data = out
	return nil
}

// decisionLine says what a decision is about, and how it was decided.
func decisionLine(d *b2bv1.Decision) string {
	s := "asked by " + nameOf(d.GetAsker().GetName()) + ": " + d.GetQuestion()
	if len(d.GetChoices()) > 0 {
		s += "\nchoices: " + strings.Join(d.GetChoices(), " | ")
	}
	if d.Answer != nil {
		s += "\nanswer: " + d.GetAnswer()
	}
	if d.Comment != nil {
		s += "\ncomment: " + d.GetComment()
	}
	s, _ = cutText(clean(s), messageBytes)
	return s
}
