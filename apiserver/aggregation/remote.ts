import type { APIService, APIServiceSpec } from "../../api/gen/types.ts";
import type { Json } from "../dig.ts";

/** A group version that another server serves, and what it last said of itself. */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  /** Entries of aggregated discovery. */
  readonly resources: readonly Json[];
  /** False: it does not answer now. */
  readonly fresh: boolean;
  /** The hash under which its OpenAPI v3 document is found; "" when it has none. */
  readonly openApiHash: string;
  /** Its part of an OpenAPI v2 document; null when it has none. */
  readonly openApiV2: { readonly paths: Json; readonly definitions: Json } | null;
}

/** What an answer of the remote server adds to what its APIService says. */
export type RemoteDocuments = Pick<RemoteVersion, "resources" | "fresh" | "openApiHash" | "openApiV2">;

export const unknownDocuments: RemoteDocuments = { resources: [], fresh: false, openApiHash: "", openApiV2: null };

export type RemoteSpec = APIServiceSpec & { readonly service: NonNullable<APIServiceSpec["service"]> };

/** Null: the service is this server itself. */
export function remoteSpec(service: APIService | undefined): RemoteSpec | null {
  const spec = service?.spec;
  return spec?.service === undefined ? null : { ...spec, service: spec.service };
}

export function isAvailable({ status }: APIService): boolean {
  return status?.conditions?.some((it) => it.type === "Available" && it.status === "True") === true;
}
