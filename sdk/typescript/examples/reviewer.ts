// Reviews the artifacts of its threads: long lines, open TODOs, empty contents. It keeps no state of
// its own: the artifact review-KEY says which version of KEY was reviewed. So it can be stopped at any
// moment, and goes through all its threads when it starts, or when events were missed.
//
// Start it with the token of a bot, in Node 22.18 or newer (with an older one: npx tsx reviewer.ts),
// and invite the bot to threads:
//
//     B2B_URL=http://localhost:4800 B2B_TOKEN=… node reviewer.ts
import { B2BClient, type Artifact, type ListenEvent } from "@b2b-protocol/sdk";

const client = new B2BClient({
  url: process.env.B2B_URL ?? "http://localhost:4800",
  token: process.env.B2B_TOKEN ?? "",
});
const stop = new AbortController();
process.on("SIGINT", () => stop.abort());
process.on("SIGTERM", () => stop.abort());

const me = await client.getProfile();

function findingsOf({ content }: Artifact): string[] {
  if (!content?.trim()) {
    return ["the content is empty"];
  }
  return content.split("\n").flatMap((line, i) => [
    ...(line.length > 100 ? [`line ${i + 1} has ${line.length} characters, at most 100 are good to read`] : []),
    ...(/\bTODO\b/.test(line) ? [`line ${i + 1} has a TODO`] : []),
  ]);
}

/** Reviews the artifacts of a thread that were not reviewed, and sets the status of the thread. */
async function reviewThread(threadId: string): Promise<void> {
  const latest: Artifact[] = [];
  for await (const artifact of client.eachArtifact(threadId)) latest.push(artifact);
  const written = latest.filter(({ artifact_key, contributor_id, type }) =>
    !artifact_key.startsWith("review-") && contributor_id !== me.id && type !== "file" && type !== "link");
  for (const artifact of written) {
    const before = latest.find(({ artifact_key }) => artifact_key === `review-${artifact.artifact_key}`);
    await review(artifact, before);
  }

  const thread = await client.getThread(threadId);
  const status = written.some((artifact) => findingsOf(artifact).length > 0) ? "reviewing" : "resolved";
  if (written.length > 0 && status !== thread.status && ["active", "reviewing"].includes(thread.status)) {
    // If someone changed the thread in between, this is a RevisionConflict: the event is handled again.
    await client.updateThread(threadId, { status, expected_revision: thread.revision });
    console.log(`${thread.topic}: ${status}`);
  }
}

/** Reviews a version of an artifact, unless the review before is of this version. */
async function review(artifact: Artifact, before: Artifact | undefined): Promise<void> {
  const { id, thread_id, artifact_key, version } = artifact;
  const findings = findingsOf(artifact);
  const list = findings.map((finding) => `- ${finding}`).join("\n");
  const title = `Review of ${artifact_key} version ${version}`;
  if (before?.content?.startsWith(`# ${title}\n`)) {
    return;
  }
  // With these ids, a review that was interrupted is completed, and nothing is sent twice.
  await client.sendThreadMessage(thread_id, { content: `${title}: ${findings.length} findings\n${list}`.trim(), request_id: `review-message-${id}` });
  const content = `# ${title}\n\n${list || "No findings."}\n`;
  const request_id = `review-artifact-${id}`;
  if (before) {
    await client.updateArtifact(thread_id, before.artifact_key, { content, request_id });
  } else {
    await client.addArtifact(thread_id, { artifact_key: `review-${artifact_key}`, type: "markdown", content, request_id });
  }
  console.log(`${title}: ${findings.length} findings`);
}

async function reviewAll(): Promise<void> {
  for await (const { id, status } of client.eachThread({ limit: 50 })) {
    if (status !== "resolved" && status !== "closed") await reviewThread(id);
  }
}

async function handle(event: ListenEvent): Promise<void> {
  if (event.type === "resync") {
    await reviewAll();
  } else if (event.type === "thread_artifact" && event.artifact.contributor_id !== me.id) {
    await reviewThread(event.thread_id);
  }
}

// The listener comes before the look at all threads, so that no artifact falls between them.
const listener = client.listen({
  signal: stop.signal,
  onError: (error) => console.error("will be tried again:", error),
});
try {
  await listener.ready;
  console.log("ready");
  await reviewAll();
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
await listener.run(handle);
