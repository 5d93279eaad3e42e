import { BudgetError } from "./values.ts";

/** What evaluation may still cost; shared by the rules of one object. Units are cel-go's: about one a step. */
export class Budget {
  #left: number;

  constructor(left: number) {
    this.#left = left;
  }

  get left(): number {
    return this.#left;
  }

  /** @throws BudgetError */
  spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) throw new BudgetError();
  }

  /** Text is worth a tenth of a step a character, as cel-go estimates it. */
  spendText(...lengths: number[]): void {
    this.spend(1 + Math.ceil(lengths.reduce((sum, length) => sum + length, 0) / 10));
  }
}
