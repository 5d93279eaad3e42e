import type { RegisterAction } from "../../base/linearizability.ts";
import type { KubeObject } from "../../api/meta.ts";
import { configMaps } from "../../api/resources.ts";
import { ApiError, TransportError } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Answer, Known, Registers } from "./registers.ts";

/** A ConfigMap of the experiment: one value, by which a version is known. */
export interface Register extends KubeObject {
  data?: { value?: string };
}

/** Registers that are ConfigMaps of one namespace, written on condition of their resourceVersion. */
export function apiRegisters(client: RestClient, namespace: string): Registers {
  return {
    async perform(key, action, known) {
      try {
        const object = await perform(client, namespace, key, action, known);
        const version = object?.metadata?.resourceVersion ?? null;
        if (object === null || version === null) return { kind: "done", known: null, version };
        return { kind: "done", known: { value: object.data?.value ?? "", version }, version };
      } catch (cause) {
        return answerOf(cause, action);
      }
    },
  };
}

/** The object afterwards; null when there is none. */
async function perform(
  client: RestClient,
  namespace: string,
  name: string,
  action: RegisterAction,
  known: Known | null,
): Promise<Register | null> {
  switch (action.kind) {
    case "get":
      return await client.get<Register>(configMaps, name, namespace).catch((error) => {
        if (error instanceof ApiError && error.code === 404) return null;
        throw error;
      });
    case "create":
      return await client.create<Register>(configMaps, {
        metadata: { name, namespace },
        data: { value: action.value },
      });
    case "put": // an update without a resourceVersion is unconditional
      return await client.update<Register>(configMaps, {
        metadata: { name, namespace },
        data: { value: action.value },
      });
    case "swap":
      return await client.update<Register>(configMaps, {
        metadata: { name, namespace, resourceVersion: known?.version ?? "" },
        data: { value: action.value },
      });
    case "delete":
      await client.delete(configMaps, name, namespace, { preconditions: { resourceVersion: known?.version ?? "" } });
      return null;
  }
}

/** 404 and 409 are answers: the condition did not hold. Everything else leaves open what happened. */
function answerOf(cause: unknown, action: RegisterAction): Answer {
  if (cause instanceof ApiError) {
    if (action.kind !== "get" && (cause.code === 404 || cause.code === 409)) {
      return { kind: "refused", missing: cause.code === 404 };
    }
    return { kind: "unknown", error: `${cause.code} ${cause.reason}` };
  }
  if (cause instanceof TransportError) return { kind: "unknown", error: `connection failed (${cause.outcome})` };
  return { kind: "unknown", error: cause instanceof Error ? cause.message : String(cause) };
}
