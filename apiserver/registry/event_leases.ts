import type { Clock } from "../../platform/mod.ts";
import type { LeaseId } from "../../store/types.ts";
import type { StoreAccess } from "../store_access.ts";

/** How long an Event lives. */
export const eventTtlSeconds = 3600;
/** One store lease serves the Events of a minute, or a thousand of them: few leases, and none far too long. */
const reuseMs = 60_000;
const reuseCount = 1000;

/** Store leases for Events, shared as kube-apiserver shares them: expiry is some seconds late, never early. */
export class EventLeases {
  readonly #store: StoreAccess;
  readonly #clock: Clock;
  #current: Promise<LeaseId> | null = null;
  #since = 0;
  #used = 0;

  constructor(store: StoreAccess, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  lease(): Promise<LeaseId> {
    const now = this.#clock.monotonic();
    if (this.#current === null || now - this.#since > reuseMs || this.#used >= reuseCount) {
      this.#since = now;
      this.#used = 0;
      const granted = this.#store.leaseGrant(eventTtlSeconds + reuseMs / 1000);
      this.#current = granted;
      // A failed grant is not kept for the next Event.
      granted.catch(() => this.forget(granted));
    }
    this.#used++;
    return this.#current;
  }

  /** After LeaseNotFound: the next Event gets a new one. */
  forget(granted?: Promise<LeaseId>): void {
    if (granted === undefined || this.#current === granted) this.#current = null;
  }
}
