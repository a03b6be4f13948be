// fhir-kit-client as a hospital's integration would use it: node client.mjs BASE KEY, with the resources on stdin.
// It prints what it received, as one JSON object.
import { Client } from "fhir-kit-client";

const [base, key] = process.argv.slice(2);
const parts = [];
for await (const part of process.stdin) parts.push(part);
const { created, updated, corrected, withdrawn, transaction, stale } = JSON.parse(Buffer.concat(parts).toString());
const client = new Client({ baseUrl: base, bearerToken: key });

const send = (resource) => client.update({ resourceType: resource.resourceType, id: resource.id, body: resource });
const statement = await client.capabilityStatement();
const ids = [];
for (const body of created) ids.push((await client.create({ resourceType: body.resourceType, body })).id);
const versions = [];
for (const [place, change] of [...updated, ...corrected, ...withdrawn]) {
  versions.push((await send({ ...created[place], ...change, id: ids[place] })).meta.versionId);
}
const answer = await client.transaction({ body: transaction });
let refusal;
try {
  await client.update({
    resourceType: created[0].resourceType,
    id: ids[0],
    body: { ...created[0], id: ids[0] },
    options: { headers: { "If-Match": stale } },
  });
} catch (error) {
  refusal = { status: error.response.status, says: error.response.data.issue[0].diagnostics };
}
const statuses = answer.entry.map((entry) => entry.response.status);
console.log(JSON.stringify({ statement: statement.fhirVersion, ids, versions, statuses, refusal }));
