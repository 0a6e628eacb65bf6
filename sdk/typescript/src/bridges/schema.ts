// The schemas of the arguments of tools. A mistake that a model makes in them is a text for it, not an exception.
import { Wrong } from "./errors.js";

/** The schema of an argument. */
export interface Property {
  type: "string" | "boolean" | "integer" | "array";
  description?: string;
  enum?: string[];
  items?: Property;
  minimum?: number;
  maximum?: number;
}

/** The JSON Schema of the arguments of a tool. */
export interface JsonSchema {
  type: "object";
  properties: Record<string, Property>;
  additionalProperties: false;
  required?: string[];
}

export type Given = Record<string, any>;

export function object(properties: Record<string, Property>, ...required: string[]): JsonSchema {
  return { type: "object", properties, additionalProperties: false, ...(required.length > 0 && { required }) };
}

const about = (description: string) => (description ? { description } : {});

export const text = (description: string): Property => ({ type: "string", ...about(description) });

export const choice = (description: string, ...values: string[]): Property => ({ type: "string", enum: values, ...about(description) });

export const flag = (description: string): Property => ({ type: "boolean", ...about(description) });

export function integer(description: string, minimum: number, maximum?: number): Property {
  return { type: "integer", minimum, ...(maximum !== undefined && { maximum }), ...about(description) };
}

export function listed(description: string, ...values: string[]): Property {
  return { type: "array", items: { type: "string", ...(values.length > 0 && { enum: values }) }, ...about(description) };
}

/** Returns the arguments that are given. Models give null for those that they leave out. */
export function checked({ properties, required = [] }: JsonSchema, given: unknown): Given {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new Wrong("the arguments must be an object");
  }
  const values = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  for (const [name, value] of values) {
    const property = Object.hasOwn(properties, name) && properties[name];
    if (!property) {
      throw new Wrong(`there is no argument '${name}': there are ${Object.keys(properties).join(", ")}`);
    }
    check(name, property, value);
  }
  const result: Given = Object.fromEntries(values);
  for (const name of required) {
    if (!Object.hasOwn(result, name)) {
      throw new Wrong(`${name}: is required`);
    }
  }
  return result;
}

function check(name: string, { type, enum: values, items, minimum = -Infinity, maximum = Infinity }: Property, value: unknown): void {
  if (type === "string" && typeof value !== "string") {
    throw new Wrong(`${name}: must be a text`);
  }
  if (type === "boolean" && typeof value !== "boolean") {
    throw new Wrong(`${name}: must be true or false`);
  }
  if (type === "integer" && !Number.isInteger(value)) {
    throw new Wrong(`${name}: must be a whole number`);
  }
  if (type === "integer" && !(minimum <= (value as number) && (value as number) <= maximum)) {
    throw new Wrong(`${name}: must be ${minimum} or more${maximum === Infinity ? "" : `, and ${maximum} or less`}`);
  }
  if (values && !values.includes(value as string)) {
    throw new Wrong(`${name}: must be one of ${values.join(", ")}`);
  }
  if (type === "array") {
    if (!Array.isArray(value)) {
      throw new Wrong(`${name}: must be a list of texts`);
    }
    value.forEach((each) => check(name, items!, each));
  }
}
