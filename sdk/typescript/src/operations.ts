// Every operation of the API as a function, so that bundlers leave out those that are not called.
export * from "./gen/rest/operations.js";
