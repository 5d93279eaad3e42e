/**
 * A field of /proc/PID/stat by its number in proc(5), from 3 (the state) on; "" when there is no such field. The second
 * one is the program's name in parentheses, which may hold spaces and parentheses: fields are counted from the last one.
 */
export function procStatField(stat: string, number: number): string {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[number - 3] ?? "";
}
