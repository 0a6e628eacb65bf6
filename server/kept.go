package server

import (
	"github.com/b2b-protocol/b2b/internal/rest"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// keptBytes is the memory for responses that are kept: about a thousand pages of messages, or ten
// times as many threads.
const keptBytes = 16 << 20

// keep returns which responses over REST are kept: those that depend on the caller, the request and
// the database alone. Not those with times of last calls, with what depends on the time, and with
// what this node knows of its connections. Several nodes keep none.
func (s *Server) keep() *rest.Keep {
	if !s.node.Single {
		return nil
	}
	return &rest.Keep{Store: s.store, Bytes: keptBytes, Procedures: []string{
		b2bv1connect.ThreadServiceListThreadsProcedure,
		b2bv1connect.ThreadServiceGetThreadProcedure,
		b2bv1connect.ThreadServiceListThreadMessagesProcedure,
		b2bv1connect.ThreadServiceListJoinRequestsProcedure,
		b2bv1connect.ArtifactServiceListArtifactsProcedure,
		b2bv1connect.ArtifactServiceListArtifactVersionsProcedure,
		b2bv1connect.ArtifactServiceListOrgThreadArtifactsProcedure,
		b2bv1connect.ChannelServiceGetChannelProcedure,
		b2bv1connect.ChannelServiceListChannelMessagesProcedure,
		b2bv1connect.ChannelServiceListBotChannelsProcedure,
		b2bv1connect.OrgServiceGetOrgProcedure,
		b2bv1connect.OrgServiceGetOrgSettingsProcedure,
		b2bv1connect.OrgThreadServiceListOrgThreadsProcedure,
		b2bv1connect.OrgThreadServiceGetOrgThreadProcedure,
		b2bv1connect.OrgThreadServiceListOrgThreadMessagesProcedure,
	}}
}
