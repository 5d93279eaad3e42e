/** Runs `call` for 0 to count - 1, `width` at once: a closed loop. */
export async function inParallel(count: number, width: number, call: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
}
