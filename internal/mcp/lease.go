package mcp

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type leaseIn struct {
	Action string `json:"action" jsonschema:"acquire, renew, release, list"`
	Name   string `json:"name,omitempty" jsonschema:"acquire: what it is on, such as repo/src/**; list: the beginning"`
	Shared bool   `json:"shared,omitempty" jsonschema:"acquire: others may share it, as for reading"`
	TTL    int32  `json:"ttl_s,omitempty" jsonschema:"acquire, renew: how long, in seconds"`
	Wait   int32  `json:"wait_s,omitempty" jsonschema:"acquire: how long to wait for it"`
	Note   string `json:"note,omitempty" jsonschema:"acquire: why; others can read it"`
	Lease  string `json:"lease,omitempty" jsonschema:"renew, release: its id"`
}

type leaseOut struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Holder  string `json:"holder"`
	Mode    string `json:"mode"`
	Fence   int64  `json:"fence"`
	Expires string `json:"expires"`
	Note    string `json:"note,omitempty"`
}

type leasesOut struct {
	Leases []leaseOut `json:"leases"`
	Next   string     `json:"next,omitempty"`
}

func leaseTool() tool {
	acquire := &b2bv1.AcquireLeaseRequest{}
	return with(tool{
		name: "lease", title: "Leases on what agents share", effect: changes, needs: []proto.Message{acquire},
		text: "Takes a lease on something that others may change as well (a file, a branch, a service), so that you do not work against each other. " +
			"Release it when you are done; it ends by itself. After LEASE_LOST stop.",
	}, inputOf[leaseIn]([]field{
		{"name", acquire, "name"}, {"ttl_s", acquire, "ttl_seconds"}, {"wait_s", acquire, "wait_seconds"}, {"note", acquire, "note"},
	}, []enum{{"action", []string{"acquire", "renew", "release", "list"}}}), lease)
}

func lease(ctx context.Context, c *call, in leaseIn) error {
	ctx, stop := requestOf(ctx).while(ctx)
	defer stop()
	leases := c.Client.Leases
	var ttl *int32
	if in.TTL > 0 {
		ttl = &in.TTL
	}
	switch in.Action {
	case "acquire":
		req := &b2bv1.AcquireLeaseRequest{Name: text(in.Name), TtlSeconds: ttl, Note: text(in.Note)}
		if in.Shared {
			req.Mode = b2bv1.LeaseMode_LEASE_MODE_SHARED.Enum()
		}
		if in.Wait > 0 {
			req.WaitSeconds = &in.Wait
		}
		res, err := leases.AcquireLease(ctx, req)
		if err != nil {
			return err
		}
		c.line("It is yours:")
		return c.leases([]*b2bv1.Lease{res.GetLease()}, "")
	case "renew":
		res, err := leases.RenewLease(ctx, &b2bv1.RenewLeaseRequest{Id: in.Lease, TtlSeconds: ttl})
		if err != nil {
			return err
		}
		return c.leases([]*b2bv1.Lease{res.GetLease()}, "")
	case "release":
		if _, err := leases.ReleaseLease(ctx, &b2bv1.ReleaseLeaseRequest{Id: in.Lease}); err != nil {
			return err
		}
		c.data = leasesOut{Leases: []leaseOut{}}
		c.line("Released.")
		return nil
	}
	res, err := leases.ListLeases(ctx, &b2bv1.ListLeasesRequest{Prefix: text(strings.TrimSuffix(in.Name, "**")), Limit: proto.Int32(50)})
	if err != nil {
		return err
	}
	return c.leases(res.GetItems(), res.GetCursor())
}

func (c *call) leases(all []*b2bv1.Lease, next string) error {
	out := leasesOut{Leases: []leaseOut{}, Next: next}
	for _, l := range all {
		shown := leaseOut{
			ID: l.GetId(), Holder: clean(l.GetHolder().GetName()), Mode: b2b.EnumText(l.GetMode()), Fence: l.GetFence(), Expires: timeOut(l.GetExpiresAt()),
		}
		shown.Name, _ = c.take(l.GetName(), messageBytes)
		shown.Note, _ = c.take(l.GetNote(), messageBytes)
		out.Leases = append(out.Leases, shown)
		c.about("lease=%s %s, %s until %s", shown.ID, shown.Mode, nameOf(shown.Holder), shown.Expires)
		c.body(shown.Name)
		c.body(shown.Note)
	}
	if len(all) == 0 {
		c.line("There are no leases.")
	}
	c.data = out
	return nil
}
