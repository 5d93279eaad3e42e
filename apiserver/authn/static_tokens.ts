import { equalSecret } from "./equal_secret.ts";
import type { TokenAuthenticator } from "./token_authenticator.ts";
import { authenticatedGroup, type User } from "./user.ts";

export interface StaticToken {
  readonly token: string;
  readonly user: User;
}

/** --token-auth-file: `token,user,uid,"group1,group2"` a line. @throws Error naming the line */
export function parseTokenFile(file: string): StaticToken[] {
  return file.split("\n").flatMap((line, at) => {
    if (line.trim() === "" || line.startsWith("#")) return [];
    const fields = [...line.trim().matchAll(/("([^"]*)"|[^,]*)(,|$)/g)].map((match) => match[2] ?? match[1] ?? "");
    const [token = "", name = "", uid = "", groups = ""] = fields;
    if (fields.length < 4 || token === "" || name === "") {
      throw new Error(`line ${at + 1}: token, user name and uid are needed`);
    }
    const names = groups.split(",").map((group) => group.trim()).filter((group) => group !== "");
    return [{ token, user: { name, uid, groups: [...names, authenticatedGroup] } }];
  });
}

/** Tokens that never end, for trying things out. */
export function staticTokens(tokens: readonly StaticToken[]): TokenAuthenticator {
  return (token, audiences) => {
    const found = tokens.find((each) => equalSecret(each.token, token));
    return Promise.resolve(found === undefined ? null : { user: found.user, audiences });
  };
}
