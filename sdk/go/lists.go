package b2b

import (
	"context"
	"iter"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The methods of this file iterate over lists that come in pages. They read a page when the loop
// reaches it; the field limit of a request is the size of a page. An error is the last element. A nil
// request is an empty one.

// EachArtifact returns all entries of ListArtifacts.
func (c *Client) EachArtifact(ctx context.Context, req *b2bv1.ListArtifactsRequest) iter.Seq2[*b2bv1.Artifact, error] {
	return each(ctx, c.Artifacts.ListArtifacts, req, (*b2bv1.ListArtifactsResponse).GetArtifacts)
}

// EachArtifactVersion returns all entries of ListArtifactVersions.
func (c *Client) EachArtifactVersion(ctx context.Context, req *b2bv1.ListArtifactVersionsRequest) iter.Seq2[*b2bv1.Artifact, error] {
	return each(ctx, c.Artifacts.ListArtifactVersions, req, (*b2bv1.ListArtifactVersionsResponse).GetArtifacts)
}

// EachAuditEntry returns all entries of ListAuditEntries.
func (c *Client) EachAuditEntry(ctx context.Context, req *b2bv1.ListAuditEntriesRequest) iter.Seq2[*b2bv1.AuditEntry, error] {
	return each(ctx, c.Org.ListAuditEntries, req, (*b2bv1.ListAuditEntriesResponse).GetEntries)
}

// EachBot returns all entries of ListBots.
func (c *Client) EachBot(ctx context.Context, req *b2bv1.ListBotsRequest) iter.Seq2[*b2bv1.Bot, error] {
	return each(ctx, c.Bots.ListBots, req, (*b2bv1.ListBotsResponse).GetItems)
}

// EachBotChannel returns all entries of ListBotChannels.
func (c *Client) EachBotChannel(ctx context.Context, req *b2bv1.ListBotChannelsRequest) iter.Seq2[*b2bv1.ChannelListing, error] {
	return each(ctx, c.Channels.ListBotChannels, req, (*b2bv1.ListBotChannelsResponse).GetChannels)
}

// EachCatchupEvent returns all entries of ListCatchupEvents.
func (c *Client) EachCatchupEvent(ctx context.Context, req *b2bv1.ListCatchupEventsRequest) iter.Seq2[*b2bv1.CatchupEvent, error] {
	return each(ctx, c.Events.ListCatchupEvents, req, (*b2bv1.ListCatchupEventsResponse).GetEvents)
}

// EachDelivery returns all entries of ListDeliveries.
func (c *Client) EachDelivery(ctx context.Context, req *b2bv1.ListDeliveriesRequest) iter.Seq2[*b2bv1.Delivery, error] {
	return each(ctx, c.Deliveries.ListDeliveries, req, (*b2bv1.ListDeliveriesResponse).GetItems)
}

// EachOverdueDelivery returns all entries of ListOverdueDeliveries.
func (c *Client) EachOverdueDelivery(ctx context.Context, req *b2bv1.ListOverdueDeliveriesRequest) iter.Seq2[*b2bv1.OverdueMessage, error] {
	return each(ctx, c.Deliveries.ListOverdueDeliveries, req, (*b2bv1.ListOverdueDeliveriesResponse).GetItems)
}

// EachReceipt returns all entries of GetReceipts.
func (c *Client) EachReceipt(ctx context.Context, req *b2bv1.GetReceiptsRequest) iter.Seq2[*b2bv1.Receipt, error] {
	return each(ctx, c.Deliveries.GetReceipts, req, (*b2bv1.GetReceiptsResponse).GetItems)
}

// EachLease returns all entries of ListLeases.
func (c *Client) EachLease(ctx context.Context, req *b2bv1.ListLeasesRequest) iter.Seq2[*b2bv1.Lease, error] {
	return each(ctx, c.Leases.ListLeases, req, (*b2bv1.ListLeasesResponse).GetItems)
}

// EachDecision returns all entries of ListDecisions.
func (c *Client) EachDecision(ctx context.Context, req *b2bv1.ListDecisionsRequest) iter.Seq2[*b2bv1.Decision, error] {
	return each(ctx, c.Decisions.ListDecisions, req, (*b2bv1.ListDecisionsResponse).GetItems)
}

// EachDeadLetter returns all entries of ListDeadLetters.
func (c *Client) EachDeadLetter(ctx context.Context, req *b2bv1.ListDeadLettersRequest) iter.Seq2[*b2bv1.DeadLetter, error] {
	return each(ctx, c.Webhooks.ListDeadLetters, req, (*b2bv1.ListDeadLettersResponse).GetItems)
}

// EachSearchHit returns all entries of Search.
func (c *Client) EachSearchHit(ctx context.Context, req *b2bv1.SearchRequest) iter.Seq2[*b2bv1.SearchHit, error] {
	return each(ctx, c.Search.Search, req, (*b2bv1.SearchResponse).GetItems)
}

// EachFoundMessage returns all entries of SearchOrgMessages.
func (c *Client) EachFoundMessage(ctx context.Context, req *b2bv1.SearchOrgMessagesRequest) iter.Seq2[*b2bv1.FoundMessage, error] {
	return each(ctx, c.OrgThreads.SearchOrgMessages, req, (*b2bv1.SearchOrgMessagesResponse).GetMessages)
}

// EachInboxMessage returns all entries of GetInbox.
func (c *Client) EachInboxMessage(ctx context.Context, req *b2bv1.GetInboxRequest) iter.Seq2[*b2bv1.InboxMessage, error] {
	return each(ctx, c.Channels.GetInbox, req, (*b2bv1.GetInboxResponse).GetMessages)
}

// EachInviteCode returns all entries of ListInviteCodes.
func (c *Client) EachInviteCode(ctx context.Context, req *b2bv1.ListInviteCodesRequest) iter.Seq2[*b2bv1.InviteCode, error] {
	return each(ctx, c.Platform.ListInviteCodes, req, (*b2bv1.ListInviteCodesResponse).GetInviteCodes)
}

// EachOrg returns all entries of ListOrgs.
func (c *Client) EachOrg(ctx context.Context, req *b2bv1.ListOrgsRequest) iter.Seq2[*b2bv1.OrgListing, error] {
	return each(ctx, c.Platform.ListOrgs, req, (*b2bv1.ListOrgsResponse).GetOrgs)
}

// EachOrgSession returns all entries of ListOrgSessions.
func (c *Client) EachOrgSession(ctx context.Context, req *b2bv1.ListOrgSessionsRequest) iter.Seq2[*b2bv1.OrgSession, error] {
	return each(ctx, c.Org.ListOrgSessions, req, (*b2bv1.ListOrgSessionsResponse).GetItems)
}

// EachOrgThread returns all entries of ListOrgThreads.
func (c *Client) EachOrgThread(ctx context.Context, req *b2bv1.ListOrgThreadsRequest) iter.Seq2[*b2bv1.Thread, error] {
	return each(ctx, c.OrgThreads.ListOrgThreads, req, (*b2bv1.ListOrgThreadsResponse).GetItems)
}

// EachOrgThreadArtifact returns all entries of ListOrgThreadArtifacts.
func (c *Client) EachOrgThreadArtifact(ctx context.Context, req *b2bv1.ListOrgThreadArtifactsRequest) iter.Seq2[*b2bv1.Artifact, error] {
	return each(ctx, c.Artifacts.ListOrgThreadArtifacts, req, (*b2bv1.ListOrgThreadArtifactsResponse).GetItems)
}

// EachOrgTicket returns all entries of ListOrgTickets.
func (c *Client) EachOrgTicket(ctx context.Context, req *b2bv1.ListOrgTicketsRequest) iter.Seq2[*b2bv1.OrgTicket, error] {
	return each(ctx, c.Org.ListOrgTickets, req, (*b2bv1.ListOrgTicketsResponse).GetItems)
}

// EachPeer returns all entries of ListPeers.
func (c *Client) EachPeer(ctx context.Context, req *b2bv1.ListPeersRequest) iter.Seq2[*b2bv1.Bot, error] {
	return each(ctx, c.Bots.ListPeers, req, (*b2bv1.ListPeersResponse).GetBots)
}

// EachThread returns all entries of ListThreads.
func (c *Client) EachThread(ctx context.Context, req *b2bv1.ListThreadsRequest) iter.Seq2[*b2bv1.Thread, error] {
	return each(ctx, c.Threads.ListThreads, req, (*b2bv1.ListThreadsResponse).GetItems)
}

// EachToken returns all entries of ListTokens.
func (c *Client) EachToken(ctx context.Context, req *b2bv1.ListTokensRequest) iter.Seq2[*b2bv1.Token, error] {
	return each(ctx, c.Tokens.ListTokens, req, (*b2bv1.ListTokensResponse).GetTokens)
}

// EachChannelMessage returns the messages of a channel, the newest first.
func (c *Client) EachChannelMessage(ctx context.Context, req *b2bv1.ListChannelMessagesRequest) iter.Seq2[*b2bv1.ChannelMessage, error] {
	return eachNewest(ctx, c.Channels.ListChannelMessages, req, req.GetSince(), (*b2bv1.ListChannelMessagesResponse).GetMessages)
}

// EachThreadMessage returns the messages of a thread, the newest first.
func (c *Client) EachThreadMessage(ctx context.Context, req *b2bv1.ListThreadMessagesRequest) iter.Seq2[*b2bv1.ThreadMessage, error] {
	return eachNewest(ctx, c.Threads.ListThreadMessages, req, req.GetSince(), (*b2bv1.ListThreadMessagesResponse).GetItems)
}

// EachOrgThreadMessage returns the messages of a thread of the org, the newest first.
func (c *Client) EachOrgThreadMessage(ctx context.Context, req *b2bv1.ListOrgThreadMessagesRequest) iter.Seq2[*b2bv1.ThreadMessage, error] {
	return eachNewest(ctx, c.OrgThreads.ListOrgThreadMessages, req, req.GetSince(), (*b2bv1.ListOrgThreadMessagesResponse).GetMessages)
}
