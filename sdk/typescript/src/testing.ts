// For the tests of agents: a server in the memory of the test, which fails on demand.
export { FakeServer } from "./testing/fake.js";
export type { Failure } from "./testing/fake.js";
