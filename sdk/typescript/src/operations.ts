// Every operation of the API as a function, so that bundlers leave out those that are not called, and
// an iterator for each list that comes in pages.
export * from "./gen/rest/operations.js";
export * from "./gen/rest/pages.js";
