import { tooManyRequests } from "../api/status.ts";
import type { Timers } from "../platform/mod.ts";
import { limits } from "./limits.ts";
import { respondError } from "./respond.ts";

/**
 * Counts the requests under way, so that a server can end when they have: until their response begins, which for a watch
 * is when it starts.
 */
export class Drain {
  #reading = 0;
  #writing = 0;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  get reading(): number {
    return this.#reading;
  }

  get writing(): number {
    return this.#writing;
  }

  /** Answers with what `handle` does; once draining, with 429, which clients take elsewhere. @param exempt served to the end */
  run(readOnly: boolean, exempt: boolean, handle: () => Promise<Response>): Promise<Response> {
    if (this.#draining && !exempt) return Promise.resolve(shuttingDown());
    if (readOnly) this.#reading++;
    else this.#writing++;
    const ended = () => {
      if (readOnly) this.#reading--;
      else this.#writing--;
      if (this.#reading + this.#writing === 0) this.#onEmpty?.();
    };
    const response = handle();
    response.then(ended, ended);
    return response;
  }

  /** Takes no more requests. Resolves when none is under way, at the latest after {@linkcode limits.drainMs}. */
  drain(timers: Timers): Promise<void> {
    this.#draining = true;
    if (this.#reading + this.#writing === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = timers.schedule(limits.drainMs, resolve);
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

function shuttingDown(): Response {
  const response = respondError(
    tooManyRequests("The apiserver is shutting down, please try again later.", limits.retryAfterSeconds),
  );
  response.headers.set("connection", "close");
  return response;
}
