/** Whether two secrets are equal, in a time that depends on their lengths alone. */
export function equalSecret(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(b.length === 0 ? 0 : i % b.length);
  return difference === 0;
}
