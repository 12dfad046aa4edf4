// openapi.js FILE: FILE is {"document": an OpenAPI document, "values": [{"name", "schema", "value"}]}. Prints what is wrong, as a JSON
// list of texts: of the document, by the schema that the OpenAPI Initiative publishes, and of the values, by the document's schemas.
// A member of a value that its schema does not name is wrong, too: the document is to be complete.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

const { document, values } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const wrong = [];

const verdict = await new Validator().validate(structuredClone(document));
if (!verdict.valid) wrong.push(`the document: ${JSON.stringify(verdict.errors)}`);

const schemas = document.components.schemas;
const named = (ref) => schemas[ref.replace("#/components/schemas/", "")];

function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== "object") return schema;
  const out = {};
  for (const [key, value] of Object.entries(schema)) out[key] = closed(value);
  for (const part of out.allOf ?? []) Object.assign((out.properties ??= {}), closed(named(part.$ref).properties));
  delete out.allOf;
  const names = out.properties;
  if (names && typeof out.type !== "undefined" && out.additionalProperties === undefined) out.additionalProperties = false;
  return out;
}

const ajv = new Ajv({ strict: false, allErrors: true });
formats(ajv);
ajv.addSchema({ $id: "https://sigrun.invalid/api", components: { schemas: closed(schemas) } });
for (const { name, schema, value } of values) {
  const good = ajv.compile({ $ref: `https://sigrun.invalid/api#/components/schemas/${schema}` });
  if (!good(value)) wrong.push(`${name} as ${schema}: ${ajv.errorsText(good.errors)}`);
}
console.log(JSON.stringify(wrong));
